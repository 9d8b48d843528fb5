"""Scores as sequences of events: bars, positions, instruments, notes, lengths, velocities, tempi.

Each song is written in every transposition, one after the other; drums are not transposed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.core.workers import in_parallel
from ostinato.scores import grid
from ostinato.scores.midi import read_midi
from ostinato.scores.parts import chosen, usual_parts
from ostinato.scores.score import Metre, Part, Score, UnreadableScore
from ostinato.scores.sources import REJECTED_COLUMNS, Rejected
from ostinato.tokens.data.labels import UNLABELLED, labels_of, learnable
from ostinato.tokens.data.pairs import Pairs, apart
from ostinato.tokens.data.streams import Piece, Vocabulary, write_streams
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
    songs = files.read_table(corpus / "songs.csv")
    args = [(corpus / "midi" / f"{song['id']}.mid", grid.swing_of(song)) for song in songs]
    looked = in_parallel(partial(_look, *each, settings.parts) for each in args)
    looked = list(progress(looked, len(songs), "tokens: looking"))
    config = _config(songs, [seen for seen in looked if seen], settings)
    encoded = in_parallel(partial(_encode, *each, settings.parts, config) for each in args)
    sequences: list[tuple[dict[str, str], list[str]]] = []
    rejected = []
    for song, found in zip(songs, progress(encoded, len(songs), "tokens"), strict=True):
        if isinstance(found, str):
            rejected.append(Rejected(song["source"], found))
        elif labelling and not labels_of(song["source"], labelling):
            rejected.append(Rejected(song["source"], UNLABELLED))
        else:
            sequences.append((song, found))
    if not sequences:
        why = "".join(f"; {each.source}: {each.reason}" for each in rejected[:3])
        raise UserError(f"tokens.events: none of the {len(songs)} songs can be used{why}")
    # Without programs, tokens do not tell drums from what has pitch.
    shifts = settings.shifts if config["parts"] else [0, 0]
    transpose = _Transpositions([names for _, names in sequences], shifts)
    single = transpose.names

    def moved(song: dict[str, str], names: list[str]) -> list[np.ndarray]:
        return transpose(names, everywhere=song["split"] == "train")

    if settings.bpe:
        learned = (
            each for pair in sequences if pair[0]["split"] == "train" for each in moved(*pair)
        )
        pairs = Pairs.learned(single, learned, settings.bpe)
    else:
        pairs = Pairs(single, [])
    config["merges"] = pairs.merges
    used = np.zeros(len(pairs.names), bool)
    pieces = []
    for song, names in progress(sequences, len(sequences), "tokens: transposing"):
        for each in moved(song, names):
            numbers = pairs.join(each).astype(np.uint16)
            used[numbers] = True
            labels = labels_of(song["source"], labelling)
            blocks = partial(iter, [numbers])
            pieces.append(Piece(song["source"], song["split"], labels, blocks, len(numbers)))
    if labelling:
        pieces, unknown = learnable(pieces, "the corpus")
        rejected += unknown
    if settings.bpe:
        used[: len(single)] = True  # other songs may need what is joined in all of these
    numbers = np.flatnonzero(used)
    names = ["", *(pairs.names[number] for number in numbers)]
    vocabulary = Vocabulary(numbers, names, np.arange(len(names), dtype=np.int32)[None])
    write_streams(out, pieces, vocabulary, {"kind": "events", "labelling": labelling, **config})
    files.write_table(out / "rejected.csv", REJECTED_COLUMNS, map(vars, rejected))


def _read(path: Path, swing: tuple[float, int] | None, parts: str | list[str | int]) -> Score:
    score = read_midi(path, pickup=False)
    return chosen(grid.without_swing(score, *swing) if swing else score, parts)


def _look(
    path: Path, swing: tuple[float, int] | None, parts: str | list[str | int]
) -> _Seen | None:
    try:
        score = _read(path, swing, parts)
    except UnreadableScore:  # as `_encode` will say
        return None
    used = [score.parts[part] for part in np.unique(score.notes["part"])]
    return _Seen(used, score.metres, set(np.unique(score.notes["velocity"]).tolist()))


def _config(
    songs: Sequence[dict[str, str]], seen: Sequence[_Seen], settings: Settings
) -> dict[str, Any]:
    """Choose what a `Tokenizer` needs to know, and how most songs swing."""
    steps = settings.steps_per_beat
    if steps is None:
        free = sum(not song["steps_per_beat"] for song in songs)
        steps = PLAYED if 2 * free > len(songs) else grid.usual_steps(songs)
    velocities = [each.velocities for each in seen]
    parts = usual_parts(each.parts for each in seen)
    metres = {str(in_quarters(metre)) for each in seen for metre in each.metres}
    swings = [swing for song in songs if (swing := grid.swing_of(song))]
    usual = None
    if 2 * len(swings) > len(songs):
        [(unit, _)] = Counter(unit for _, unit in swings).most_common(1)
        usual = [median(share for share, own in swings if own == unit), unit]
    return {
        "tokenizer": settings.tokenizer,
        "steps_per_beat": steps,
        "velocities": settings.velocities if len(set().union(*velocities)) > 1 else 0,
        "metres": sorted(metres),
        "parts": [[number, part.program, part.name] for number, part in parts.items()],
        "drums": any(part.drums for each in seen for part in each.parts),
        "swing": usual,
        "merges": [],
    }


def _encode(
    path: Path,
    swing: tuple[float, int] | None,
    parts: str | list[str | int],
    config: dict[str, Any],
) -> list[str] | str:
    """Turn a song into tokens; or say why that cannot be done."""
    try:
        score = _read(path, swing, parts)
        if not len(score.notes):
            return "no notes" if parts == "all" else "no notes in tokens.events.parts"
        return Tokenizer(config).names_of(score)
    except UnreadableScore as error:
        return str(error)


class _Transpositions:
    """Tokens as numbers, transposed.

    Parameters
    ----------
    songs : list of list of str
        Tokens.
    shifts : list of int
        The lowest and the highest shift, in semitones.

    Attributes
    ----------
    names : list of str
        The tokens of all songs in all transpositions.
    """

    def __init__(self, songs: list[list[str]], shifts: list[int]):
        own = {name for song in songs for name in song}
        self.shifts = [0, *(n for n in range(shifts[0], shifts[1] + 1) if n)]
        moved = [{name: _moved(name, shift) for name in own} for shift in self.shifts]
        self.names = sorted({name for table in moved for name in table.values() if name})
        self._number = {name: number for number, name in enumerate(self.names)}
        # No number where a transposed pitch has no token.
        self._table = np.full((len(self.shifts), len(self.names)), -1)
        for row, table in zip(self._table, moved, strict=True):
            for name, other in table.items():
                row[self._number[name]] = self._number.get(other, -1)

    def __call__(self, names: list[str], everywhere: bool) -> list[np.ndarray]:
        """Turn a song into numbers: itself, and in every transposition if wanted.

        A transposition with pitches that no token says is left out.
        """
        numbers = np.array([self._number[name] for name in names])
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
