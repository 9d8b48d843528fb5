"""Sound as the stages store it: 16-bit stereo samples in one file, and a table of the pieces.

Of rendered pieces, the notes are stored, too.
"""

from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.scores.wav import FULL_SCALE

CHANNELS = 2
FRAME = 11_025
"""Samples per frame and channel: a quarter of a second."""
SOUND_COLUMNS = [
    "id", "title", "source", "split", "first", "samples", "hash", "rendering", "notes",
]  # fmt: skip
"""Beside what its names say: ``first`` is the first sample in the file; ``rendering`` what was
drawn for a rendered piece; ``notes`` how many it has, empty for a recording."""


class Sounds:
    """All pieces of a sound collection, memory-mapped.

    Parameters
    ----------
    *folders : Path
        What functions of `ostinato.sound.data.collection` wrote.

    Attributes
    ----------
    id, title, split : list of str
        One for each piece.
    samples : ndarray[int64], shape [pieces]
        The length of each piece.
    """

    def __init__(self, *folders: Path):
        tables = [files.read_table(folder / "songs.csv") for folder in folders]
        rows = [row for table in tables for row in table]
        played = [np.load(folder / "notes.npy") for folder in folders]
        self.id = [row["id"] for row in rows]
        self.title = [row["title"] for row in rows]
        self.split = [row["split"] for row in rows]
        self.samples = np.array([int(row["samples"]) for row in rows])
        self._first = [int(row["first"]) for row in rows]
        sounds = [_mapped(folder / "sound.pcm").reshape(-1, CHANNELS) for folder in folders]
        self._sound = [sound for sound, table in zip(sounds, tables, strict=True) for _ in table]
        self._notes: list[np.ndarray | None] = []
        for table, notes in zip(tables, played, strict=True):
            counts = [int(row["notes"] or 0) for row in table]
            parts = np.split(notes, np.cumsum(counts))[:-1]
            pairs = zip(table, parts, strict=True)
            self._notes += [part if row["notes"] else None for row, part in pairs]

    def __len__(self) -> int:
        return len(self.id)

    def of(self, split: str) -> list[int]:
        """The indices of the pieces in a split."""
        return [i for i, name in enumerate(self.split) if name == split]

    def notes(self, index: int) -> np.ndarray | None:
        """Return the notes of a piece, in order: ndarray[PLAYED]; None if it is a recording."""
        return self._notes[index]

    def piece(self, index: int, first: int = 0, samples: int | None = None) -> np.ndarray:
        """Read a piece or a part of it.

        Parameters
        ----------
        index : int
            The index of the piece.
        first : int
            The first sample of the part.
        samples : int, optional
            The length of the part; by default, it extends to the end of the piece.

        Returns
        -------
        ndarray[float32], shape [2, samples]
            Left and right, in [-1, 1).
        """
        end = self.samples[index] if samples is None else first + samples
        start = self._first[index]
        part = self._sound[index][start + first : start + end].T
        return np.ascontiguousarray(part, np.float32) / np.float32(FULL_SCALE)


def _mapped(path: Path) -> np.ndarray:
    """Map 16-bit samples into memory; a file without any cannot be mapped."""
    return np.memmap(path, "<i2", "r") if path.stat().st_size else np.zeros(0, "<i2")
