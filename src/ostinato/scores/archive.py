"""The MIDI files of a corpus in one archive, which people can open, and whose songs are read alone.

Nothing but the archive and the row of a song in songs.csv is needed to read it: the row says where
in the archive the song is. The archive's own directory would have to be read anew, and be held in
memory, by every process.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.midi import from_bytes
from ostinato.scores.score import Score

SONGS, MIDI = "songs.csv", "midi.zip"
"""The files of a corpus: the table of its songs, and their MIDI."""

PLACE_COLUMNS = ["first", "bytes", "crc32"]
"""Columns of songs.csv: where in the archive the song's first byte is, how many there are, and
their checksum."""

DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive: the first that there is for it."""


class Archive:
    """An archive that is being written; nothing is compressed.

    Parameters
    ----------
    file : BinaryIO
        Where it is written.
    whole : ZipFile
        Open for writing to that file.
    """

    def __init__(self, file: BinaryIO, whole: zipfile.ZipFile):
        self._file, self._whole = file, whole

    def add(self, song: str, data: bytes) -> dict[str, int]:
        """Add the MIDI of a song.

        Parameters
        ----------
        song : str
            Its id.
        data : bytes
            The content of its MIDI file.

        Returns
        -------
        dict
            Where it is: its `PLACE_COLUMNS`.
        """
        entry = zipfile.ZipInfo(f"{song}.mid", DATE)
        entry.create_system = 3  # Unix, on every machine
        entry.external_attr = 0o644 << 16
        with self._whole.open(entry, "w") as member:
            first = self._file.tell()
            member.write(data)
        return dict(zip(PLACE_COLUMNS, (first, len(data), zlib.crc32(data)), strict=True))


@contextmanager
def writing_archive(path: Path) -> Iterator[Archive]:
    """Write an archive, song by song and atomically."""
    with files.writing(path) as file, zipfile.ZipFile(file, "w") as whole:
        yield Archive(file, whole)


class Stored(NamedTuple):
    """A song in an archive.

    Attributes
    ----------
    archive : Path
    id : str
    first, bytes, crc32 : int
        See `PLACE_COLUMNS`.
    """

    archive: Path
    id: str
    first: int
    bytes: int
    crc32: int

    @classmethod
    def of(cls, corpus: Path, song: dict[str, str]) -> "Stored":
        """Find the song of a row of a corpus' songs.csv."""
        return cls(corpus / MIDI, song["id"], *(int(song[name]) for name in PLACE_COLUMNS))

    def read(self) -> bytes:
        """Read the content of its MIDI file.

        Raises
        ------
        UserError
            When the archive is damaged at this place, or is not that of the table.
        """
        with self.archive.open("rb") as file:
            file.seek(self.first)
            data = file.read(self.bytes)
        if zlib.crc32(data) != self.crc32:
            raise UserError(
                f"{self.archive}: damaged, or not the one that {SONGS} beside it describes: no "
                f"{self.id}.mid at byte {self.first:,}; remove it, and the stage corpus writes it "
                f"again"
            )
        return data

    def score(self) -> Score:
        """Read its score.

        Raises
        ------
        UserError
            As for `read`.
        UnreadableScore
            When it is too large or too long for `from_bytes`.
        """
        return from_bytes(self.read())
