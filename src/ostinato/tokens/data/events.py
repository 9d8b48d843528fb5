"""Scores as sequences of events: bars, positions, instruments, notes, lengths, velocities, tempi.

Each song is written in every transposition, one after the other; drums are not transposed.
"""

import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.core.workers import in_parallel
from ostinato.scores import grid
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.parts import chosen, usual_parts
from ostinato.scores.score import Metre, Part, Score, UnreadableScore
from ostinato.scores.sources import Rejected, writing_rejected
from ostinato.tokens.data.labels import UNLABELLED, labels_of, learnable, unlearned
from ostinato.tokens.data.pairs import Pairs, apart
from ostinato.tokens.data.spool import Spool
from ostinato.tokens.data.streams import Piece, Song, Vocabulary, write_streams
from ostinato.tokens.data.tokenizer import HIGHEST, Tokenizer, in_quarters

PLAYED = 24
"""Steps in a quarter note where most songs were played freely: 25 ms at 100 quarter notes a
minute."""

_PITCH = re.compile(r"Pitch_(\d+)")


LASTING = "Program", "TimeSig"
"""Of what these tokens say, a piece has the same throughout."""


@dataclass(frozen=True)
class Settings:
    """How songs become events; from the section ``tokens.events`` of params.yaml.

    Attributes
    ----------
    parts : str or list of str and int
        See `ostinato.scores.parts.chosen`.
    tokenizer : str
        ``"remi"``: bars and positions; ``"tsd"``: time shifts.
    steps_per_beat : int or None
        Steps in a quarter note; None: what most songs need.
    velocities : int
        How many there are, if songs differ in velocity at all.
    bpe : int
        How many classes there are after byte-pair encoding; 0: none.
    shifts : list of int
        The lowest and the highest transposition for training, in semitones.
    """

    parts: str | list[str | int]
    tokenizer: str
    steps_per_beat: int | None
    velocities: int
    bpe: int
    shifts: list[int]


@dataclass(frozen=True)
class _Seen:
    """What a song has, in parts, metres and velocities."""

    parts: list[Part]
    metres: list[Metre]
    velocities: set[int]


def build(out: Path, corpus: Path, settings: Settings, labelling: str | None) -> None:
    """Write a corpus as streams; see `ostinato.tokens.data.streams.write_streams`.

    Parameters
    ----------
    out : Path
        A folder.
    corpus : Path
        What `ostinato.scores.corpus.build` wrote.
    settings : Settings
    labelling : str or None
        From `ostinato.tokens.data.labels.labelling`.

    Raises
    ------
    UserError
        When a split has no song, no song has such parts, or all training songs have the same
        labels.
    """
    table = corpus / SONGS
    total = sum(1 for _ in files.rows(table))

    def stored() -> Iterator[tuple[Stored, tuple[float, int] | None]]:
        return ((Stored.of(corpus, song), grid.swing_of(song)) for song in files.rows(table))

    looked = in_parallel(partial(_look, *each, settings.parts) for each in stored())
    config = _config(table, progress(looked, total, "tokens: looking"), settings)
    encoded = in_parallel(partial(_encode, *each, settings.parts, config) for each in stored())
    number_of: dict[str, int] = {}
    songs: list[Song] = []
    whole = Spool(out, np.uint16)
    with writing_rejected(out / "rejected.csv") as rejected:
        found = zip(files.rows(table), encoded, strict=True)
        for song, names in progress(found, total, "tokens"):
            labels = labels_of(song["source"], labelling)
            if isinstance(names, str):
                rejected.add(Rejected(song["source"], names))
            elif labelling and not labels:
                rejected.add(Rejected(song["source"], UNLABELLED))
            else:
                numbers = (number_of.setdefault(name, len(number_of)) for name in names)
                whole.add(np.fromiter(numbers, int))
                songs.append(Song(song["source"], sys.intern(song["split"]), labels))
        if not songs:
            raise UserError(f"tokens.events: none of the {total} songs can be used{rejected.why}")
        # Without programs, tokens do not tell drums from what has pitch.
        shifts = settings.shifts if config["parts"] else [0, 0]
        transpose = _Transpositions(list(number_of), shifts)

        def moved() -> Iterator[tuple[Song, list[np.ndarray]]]:
            for song, numbers in zip(songs, whole, strict=True):
                yield song, transpose(numbers, everywhere=song.split == "train")

        if settings.bpe:
            learned = (each for song, some in moved() if song.split == "train" for each in some)
            pairs = Pairs.learned(transpose.names, learned, settings.bpe)
        else:
            pairs = Pairs(transpose.names, [])
        config["merges"] = pairs.merges
        used = np.zeros(len(pairs.names), bool)
        joined, counts = Spool(out, np.uint16), array("q")
        for _, some in progress(moved(), len(songs), "tokens: transposing"):
            counts.append(len(some))
            for each in some:
                numbers = pairs.join(each)
                used[numbers] = True
                joined.add(numbers)
        if settings.bpe:
            used[: len(transpose.names)] = True  # other songs may need what is joined in all these
        known = learnable(songs, "the corpus") if labelling else set()

        def pieces() -> Iterator[Piece]:
            every = progress(joined, len(joined), "tokens: writing")
            for song, count in zip(songs, counts, strict=True):
                unknown = unlearned(song, known)
                if unknown:
                    rejected.add(unknown)
                for numbers in islice(every, count):
                    if not unknown:
                        yield Piece(*song, partial(iter, [numbers]), len(numbers))

        numbers = np.flatnonzero(used)
        names = ["", *(pairs.names[number] for number in numbers)]
        vocabulary = Vocabulary(numbers, names, np.arange(len(names), dtype=np.int32)[None])
        config = {"kind": "events", "labelling": labelling, **config}
        write_streams(out, pieces(), vocabulary, config)


def _read(song: Stored, swing: tuple[float, int] | None, parts: str | list[str | int]) -> Score:
    score = song.score()
    return chosen(grid.without_swing(score, *swing) if swing else score, parts)


def _look(
    song: Stored, swing: tuple[float, int] | None, parts: str | list[str | int]
) -> _Seen | None:
    try:
        score = _read(song, swing, parts)
    except UnreadableScore:  # as `_encode` will say
        return None
    used = [score.parts[part] for part in np.unique(score.notes["part"])]
    return _Seen(used, score.metres, set(np.unique(score.notes["velocity"]).tolist()))


def _config(table: Path, seen: Iterable[_Seen | None], settings: Settings) -> dict[str, Any]:
    """Choose what a `Tokenizer` needs to know, and how most songs of a table swing."""
    velocities: set[int] = set()
    metres: set[str] = set()
    drums = False

    def parts_of_songs() -> Iterator[list[Part]]:
        nonlocal drums
        for each in seen:
            if each:
                velocities.update(each.velocities)
                metres.update(str(in_quarters(metre)) for metre in each.metres)
                drums = drums or any(part.drums for part in each.parts)
                yield each.parts

    parts = usual_parts(parts_of_songs())
    songs, free = 0, 0
    swings: list[tuple[float, int]] = []
    for song in files.rows(table):
        songs += 1
        free += not song["steps_per_beat"]
        if swing := grid.swing_of(song):
            swings.append(swing)
    steps = settings.steps_per_beat
    if steps is None:
        steps = PLAYED if 2 * free > songs else grid.usual_steps(files.rows(table))
    usual = None
    if 2 * len(swings) > songs:
        [(unit, _)] = Counter(unit for _, unit in swings).most_common(1)
        usual = [median(share for share, own in swings if own == unit), unit]
    return {
        "tokenizer": settings.tokenizer,
        "steps_per_beat": steps,
        "velocities": settings.velocities if len(velocities) > 1 else 0,
        "metres": sorted(metres),
        "parts": [[number, part.program, part.name] for number, part in parts.items()],
        "drums": drums,
        "swing": usual,
        "merges": [],
    }


def _encode(
    song: Stored,
    swing: tuple[float, int] | None,
    parts: str | list[str | int],
    config: dict[str, Any],
) -> list[str] | str:
    """Turn a song into tokens; or say why that cannot be done."""
    try:
        score = _read(song, swing, parts)
        if not len(score.notes):
            return "no notes" if parts == "all" else "no notes in tokens.events.parts"
        return Tokenizer(config).names_of(score)
    except UnreadableScore as error:
        return str(error)


class _Transpositions:
    """Transposes songs, whose tokens are numbers.

    Parameters
    ----------
    names : list of str
        The token of each number.
    shifts : list of int
        The lowest and the highest shift, in semitones.

    Attributes
    ----------
    names : list of str
        The tokens of all songs in all transpositions. What is transposed has the numbers of these.
    """

    def __init__(self, names: list[str], shifts: list[int]):
        semitones = [0, *(n for n in range(shifts[0], shifts[1] + 1) if n)]
        moved = [[_moved(name, shift) for name in names] for shift in semitones]
        self.names = sorted({name for row in moved for name in row if name})
        number_of = {name: number for number, name in enumerate(self.names)}
        # No number where a transposed pitch has no token.
        self._table = np.array([[number_of.get(name, -1) for name in row] for row in moved])

    def __call__(self, numbers: np.ndarray, everywhere: bool) -> list[np.ndarray]:
        """Transpose a song: not at all, and in every other way if wanted.

        A transposition with pitches that no token says is left out.
        """
        rows = self._table if everywhere else self._table[:1]
        moved = (row[numbers] for row in rows)
        return [each for each in moved if (each >= 0).all()]


def _moved(name: str, shift: int) -> str:
    """Transpose a token; empty if there is no such token."""
    if not (pitch := _PITCH.fullmatch(name)):
        return name
    found = int(pitch[1]) + shift
    return f"Pitch_{found}" if 0 <= found <= HIGHEST else ""


def classes_of(names: Sequence[str], data: dict[str, Any]) -> list[int]:
    """Turn events into classes.

    Parameters
    ----------
    names : sequence of str
        Each is the name of a class.
    data : dict
        The config.json of the streams.
    """
    class_of = {name: number for number, name in enumerate(data["names"])}
    if not data["merges"]:
        return [class_of[name] for name in names]
    pairs = Pairs.of(data)
    number_of = {name: number for number, name in enumerate(pairs.names)}
    joined = pairs.join(np.array([number_of[name] for name in names]))
    found = []
    for name in (pairs.names[number] for number in joined):
        # What only larger tokens are made of is no class.
        found += [class_of[each] for each in ([name] if name in class_of else name.split(" "))]
    return found


def fitting(names: Sequence[str], piece: Sequence[str]) -> np.ndarray:
    """Say which classes go with a piece: all without other instruments or metres than it has.

    Parameters
    ----------
    names : sequence of str
        Those of the classes.
    piece : sequence of str
        Tokens or names of classes.

    Returns
    -------
    ndarray[bool], shape [classes]
    """
    known = {token for token in apart(piece) if token.startswith(LASTING)}
    return np.array(
        [
            all(token in known for token in name.split(" ") if token.startswith(LASTING))
            for name in names
        ]
    )


def score_of(names: Sequence[str], data: dict[str, Any], title: str = "") -> Score:
    """Turn classes, by their names, into a score that swings as most songs of the corpus do.

    Parameters
    ----------
    names : sequence of str
    data : dict
        The config.json of the streams.
    title : str

    Returns
    -------
    Score
    """
    score = Tokenizer(data).score_of(apart(names), title)
    return grid.with_swing(score, *data["swing"]) if data["swing"] else score


def whole_bars(names: Sequence[str]) -> list[str]:
    """Leave out what comes after the last whole bar, if there are bars, and one is whole."""
    begins = [place for place, name in enumerate(names) if name.startswith("Bar")]
    return list(names[: begins[-1]] if len(begins) > 1 else names)
