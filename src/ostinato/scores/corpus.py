"""The corpus: score files of any kind, converted to MIDI and divided into splits."""

import hashlib
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import music21

from ostinato.core import cache, files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress, tell
from ostinato.core.workers import in_parallel
from ostinato.scores import notation
from ostinato.scores.archive import MIDI, PLACE_COLUMNS, SONGS, writing_archive
from ostinato.scores.grid import STRAIGHT
from ostinato.scores.midi import from_bytes, midi_bytes, read_midi
from ostinato.scores.parts import instrument
from ostinato.scores.rhythm import Rhythm, aligned
from ostinato.scores.score import Score, UnreadableScore, top_voice
from ostinato.scores.sources import (
    SPLITS,
    Rejected,
    RejectedWriter,
    files_in,
    identity,
    printable,
    split,
    writing_rejected,
)

MIDI_SUFFIXES = {".mid", ".midi", ".smf", ".kar", ".rmi"}
KEY_INTERVALS = 12
MOST_CHARACTERS = 200
"""Of a title in songs.csv."""

BUILT_IN = {"chorales": (notation.chorale_files, 4), "folksongs": (notation.folksong_files, 1)}
"""Corpora that come with music21: how to list their files, and how many parts a score must have."""

SONG_COLUMNS = [
    "id", "title", "source", "metre", "metre_from", "steps_per_beat", "offset", "swing", "swung",
    "instruments", "drums", "mended", "split", *PLACE_COLUMNS,
]  # fmt: skip
"""Beside what its names say: ``metre_from`` is ``file`` or ``notes``; ``steps_per_beat`` how many
steps in a quarter note the notes need, empty if they have no beat; ``offset`` by how many ticks
they were late; ``swing`` which share of a pair of notes the first one lasts, and ``swung`` how many
of these notes are in a quarter note, both empty without swing; ``instruments`` those of General
MIDI, with a bar between two; ``drums`` how many notes they have; ``mended`` what was wrong with the
file; the last three where the archive has the song, see `PLACE_COLUMNS`."""

ROW_COLUMNS = [name for name in SONG_COLUMNS if name not in ("id", "split")]
_ROW = itemgetter(*ROW_COLUMNS)


@dataclass(frozen=True)
class Song:
    """A song: its columns of songs.csv, and what is needed to split songs and find duplicates."""

    id: str
    title: str
    source: str
    metre: str
    rhythm: Rhythm
    instruments: list[str]
    drums: int
    mended: str
    key: str
    digest: bytes
    midi: bytes


def build(out: Path, source: str, folder: Path) -> None:
    """Write a corpus: ``midi.zip``, ``songs.csv`` and ``rejected.csv``.

    Songs are written as they are read. Of each, only its row and what tells it from others stay in
    memory, about a kilobyte.

    Parameters
    ----------
    out : Path
        An empty folder.
    source : str
        ``"chorales"`` (the four-voice chorales of music21), ``"folksongs"`` (one-voice melodies
        from the tune books `ostinato.scores.notation.FOLKSONG_BOOKS`) or ``"folder"``.
    folder : Path
        The user's scores for ``"folder"``, searched recursively.

    Raises
    ------
    UserError
        When fewer than 3 songs can be read, since each split needs one.
    """
    if source in BUILT_IN:
        files_of, parts = BUILT_IN[source]
        paths = files_of()
        found = ((path, path.name, parts) for path in paths)
        where = "the music21 package"
    else:
        paths = files_in(folder, "corpus.folder", "scores")
        found = ((path, printable(path.relative_to(folder)), None) for path in paths)
        where = f"corpus.folder: {folder}"
        if not paths:
            raise UserError(
                f"{where} holds no file; put MIDI, MusicXML, ABC or Humdrum files there"
            )
    cache.forget_old()
    rows, keys, rejected = _written(out, found, len(paths))
    if len(rows) < len(SPLITS):
        raise UserError(
            f"{where} holds {len(rows)} readable songs, at least 3 are needed{rejected.why}"
        )
    splits, mended = split(keys), 0
    with files.writing_table(out / SONGS, SONG_COLUMNS) as add:
        for name in sorted(rows):
            row = dict(zip(ROW_COLUMNS, rows[name], strict=True))
            mended += bool(row["mended"])
            add({"id": name, "split": splits[name], **row})
    if mended or rejected.count:
        tell(
            f"corpus: {len(rows)} songs, {mended} of them mended, as songs.csv says; "
            f"{rejected.count} left out, as rejected.csv says"
        )


def _written(
    out: Path, found: Iterable[tuple[Path, str, int | None]], count: int
) -> tuple[dict[str, tuple[Any, ...]], dict[str, str], RejectedWriter]:
    """Read files, and write songs and what is left out; of each id give its row and split key."""
    version = f"{cache.code_of(__name__)} {music21.__version__}"
    read = in_parallel(
        partial(cache.remembered, read_file, *each, version=version) for each in found
    )
    source_of: dict[bytes, str] = {}
    rows: dict[str, tuple[Any, ...]] = {}
    keys: dict[str, str] = {}
    with (
        writing_archive(out / MIDI) as archive,
        writing_rejected(out / "rejected.csv") as rejected,
    ):
        for result in progress(read, count, "corpus"):
            for song in result:
                if isinstance(song, Rejected):
                    rejected.add(song)
                elif same := source_of.get(song.digest):
                    rejected.add(Rejected(song.source, f"the same notes as {same}"))
                else:
                    source_of[song.digest] = song.source
                    name = _another(song.id, rows)
                    rows[name] = _ROW({**_row(song), **archive.add(name, song.midi)})
                    keys[name] = song.key
    return rows, keys, rejected


def _another(name: str, known: Collection[str]) -> str:
    """Give a song another id if one has it: two of 100,000 sources may have the same hash."""
    number, another = 1, name
    while another in known:
        number += 1
        another = f"{name}-{number}"
    return another


def _row(song: Song) -> dict[str, Any]:
    grid = song.rhythm.grid
    swings = grid is not None and grid.swing != STRAIGHT
    return {
        "title": song.title,
        "source": song.source,
        # What many songs have is kept once.
        "metre": sys.intern(song.metre),
        "metre_from": sys.intern(song.rhythm.metre_from),
        "steps_per_beat": grid.steps if grid else "",
        "offset": round(grid.offset) if grid else "",
        "swing": f"{grid.swing:.2f}" if swings else "",
        "swung": grid.unit if swings else "",
        "instruments": sys.intern("|".join(song.instruments)),
        "drums": song.drums,
        "mended": song.mended,
    }


def read_file(path: Path, source: str, parts: int | None) -> list[Song | Rejected]:
    """Read one file.

    Parameters
    ----------
    path : Path
        The file.
    source : str
        Its name in the tables, the same on every machine.
    parts : int or None
        The number of parts that a score must have; None if any number will do. If it is 1, the
        score must be a melody, with one note at a time.

    Returns
    -------
    list of Song or Rejected
        One for each score in the file.
    """
    try:
        scores, certain = _read(path)
    except (UnreadableScore, OSError) as error:
        return [Rejected(source, str(error))]
    return [
        _song(score, source if len(scores) == 1 else f"{source}#{number}", parts, certain)
        for number, score in enumerate(scores, 1)
    ]


def read_score(path: Path, believed: bool = False) -> tuple[Score, Rhythm]:
    """Read the first score in a file of any kind; see `ostinato.scores.rhythm.aligned`.

    Parameters
    ----------
    path : Path
    believed : bool
        Whether bars stay where the file says they are.

    Returns
    -------
    Score, Rhythm

    Raises
    ------
    UnreadableScore
        If there is none, or it has no notes.
    """
    scores, certain = _read(path)
    if isinstance(scores[0], UnreadableScore):
        raise scores[0]
    if not len(scores[0].notes):
        raise UnreadableScore("no notes")
    return aligned(scores[0], certain, believed)


def _read(path: Path) -> tuple[list[Score | UnreadableScore], bool]:
    """Read all scores in a file, and say whether their metres are certain."""
    suffix = path.suffix.lower()
    if suffix in MIDI_SUFFIXES:
        return [read_midi(path)], False
    if suffix not in notation.SUFFIXES:
        raise UnreadableScore("neither MIDI, MusicXML, ABC nor Humdrum by its name")
    scores = notation.read_notation(path)
    if not scores:
        raise UnreadableScore("no score in it")
    return scores, True


def _song(
    score: Score | UnreadableScore, source: str, parts: int | None, certain: bool
) -> Song | Rejected:
    if isinstance(score, UnreadableScore):
        return Rejected(source, str(score))
    notes = score.pitched if len(score.pitched) else score.notes  # drums alone are a song, too
    if parts and len(score.parts) != parts:
        return Rejected(source, f"{len(score.parts)} parts, not {parts}")
    if len(notes) == 0:
        return Rejected(source, "no notes")
    if parts == 1 and (notes["onset"][1:] < (notes["onset"] + notes["length"])[:-1]).any():
        return Rejected(source, "several notes at once")
    try:
        score, rhythm = aligned(score, certain)
    except UnreadableScore as error:
        return Rejected(source, str(error))
    midi = midi_bytes(score)
    try:
        from_bytes(midi)
    except UnreadableScore as error:  # such as one that is too long as MIDI
        return Rejected(source, str(error))
    return Song(
        id=identity(source),
        title=(score.title or Path(source).stem)[:MOST_CHARACTERS],
        source=source,
        metre=score.metre,
        rhythm=rhythm,
        instruments=sorted({instrument(score.parts[part]) for part in score.pitched["part"]}),
        drums=len(score.notes) - len(score.pitched),
        mended="; ".join(score.mended),
        key=split_key(score),
        digest=hashlib.sha256(notes[["onset", "length", "pitch"]].tobytes()).digest(),
        midi=midi,
    )


def split_key(score: Score) -> str:
    """Return what determines a song's split: the first 12 intervals of its top voice.

    It depends only on the song, not on its key or on other songs. So all settings of a melody are
    in the same split, and a new song does not move others to another split.
    """
    notes = score.pitched if len(score.pitched) else score.notes
    line = top_voice(notes).tolist()[: KEY_INTERVALS + 1]
    return " ".join(str(b - a) for a, b in pairwise(line))
