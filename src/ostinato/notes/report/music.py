"""Music as it is measured: songs and compositions, and the figures that compare them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core import files
from ostinato.notes.compose.compose import SEED_STEPS
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import quantise
from ostinato.notes.data.songs import Songs
from ostinato.notes.report import endings, features, metrics
from ostinato.notes.report.likeness import overlaps, told_apart
from ostinato.scores.grid import without_swing
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT


@dataclass(frozen=True)
class Pieces:
    """Music to be measured.

    Compositions are measured from the first bar that is entirely new, and so are songs. Where a
    song changes its metre, bars are counted as if it did not.

    Attributes
    ----------
    rolls : list of ndarray[int8], shape [steps, 88]
        Whole notes, from the first bar on: 1 where a key is struck, -1 where it is held.
    bars : list of int
        Number of steps in a bar.
    songs : list of int
        Index of the song that each is or begins as.
    steps_per_beat : int
        Number of steps in a quarter note.
    """

    rolls: list[np.ndarray]
    bars: list[int]
    songs: list[int]
    steps_per_beat: int

    @cached_property
    def new(self) -> list[tuple[np.ndarray, int]]:
        """The measured part of each roll, at least its last bar, and the length of a bar."""
        found = []
        for roll, bar in zip(self.rolls, self.bars, strict=True):
            first = -(-SEED_STEPS // bar) * bar
            found.append((roll[min(first, max(len(roll) - bar, 0)) :], bar))
        return found

    @cached_property
    def windows(self) -> list[features.Window]:
        """What is counted in windows of 8 bars."""
        return [
            features.describe(window, bar, self.steps_per_beat)
            for roll, bar in self.new
            for window in features.windows(roll, bar)
        ]

    @cached_property
    def groups(self) -> list[int]:
        """The song of each window."""
        return [
            song
            for song, (roll, bar) in zip(self.songs, self.new, strict=True)
            for _ in features.windows(roll, bar)
        ]


class Known:
    """What compositions are searched for: runs of the training songs, and their last chords."""

    def __init__(self, songs: Pieces):
        self.copies = metrics.Copies([onsets(roll) for roll in songs.rolls])
        self.chords = endings.last_chords(songs.rolls)


def onsets(roll: np.ndarray) -> np.ndarray:
    """Keep of whole notes where they are struck: ndarray[uint8] of 0 and 1."""
    return (roll > 0).astype(np.uint8)


def songs_of(songs: Songs, split: str, steps_per_beat: int) -> Pieces:
    """Render the songs of a split."""
    chosen = songs.of(split)
    drawn = [_whole_notes(songs.song(song), int(songs.steps[song])) for song in chosen]
    return Pieces(drawn, songs.bar[chosen].tolist(), chosen, steps_per_beat)


def _whole_notes(notes: np.ndarray, steps: int) -> np.ndarray:
    return np.sign(rolls.render_roll(notes, 0, steps, representation="notes"))


def compositions(folder: Path, songs: Songs, steps_per_beat: int) -> Pieces:
    """Read compositions back from their MIDI files."""
    drawn, bars, begun = [], [], []
    for piece in files.read_table(folder / "pieces.csv"):
        score = read_midi(folder / f"{piece['piece']}.mid", pickup=False)
        begun.append(songs.id.index(piece["begins_as"]))
        if swing := songs.swing[begun[-1]]:
            score = without_swing(score, *swing)
        drawn.append(_whole_notes(quantise(score, steps_per_beat), int(piece["steps"])))
        bars.append(max(score.metres[0].bar * steps_per_beat // TICKS_PER_BEAT, 1))
    return Pieces(drawn, bars, begun, steps_per_beat)


def figures(pieces: Pieces, known: Known) -> dict[str, Any]:
    """Compute what can be said of some music by itself.

    Parameters
    ----------
    pieces : Pieces
    known : Known
        The training songs.

    Returns
    -------
    dict
        ``features``: mean and standard deviation over windows of some figures; see
        `features.summary`.
        ``self_similarity``: for each lag in bars, and ``structure``: for each number of bars that
        are searched, mean and standard deviation over the pieces; see `metrics.self_similarity` and
        `metrics.recurrence`. ``repetition``: likewise; see `metrics.repetition`. ``ends``: see
        `endings.endings`. ``longest_copy``: length of the longest run copied from a training song,
        in steps, as maximum and mean over the pieces.
    """
    marked = [(onsets(roll), bar) for roll, bar in pieces.new]
    copies = [known.copies.longest(roll) for roll, _ in marked]
    repeated = [metrics.repetition(roll, pieces.steps_per_beat, bar) for roll, bar in marked]
    return {
        "features": features.summary(pieces.windows),
        "self_similarity": {
            str(lag): _spread([metrics.self_similarity(roll, bar, lag) for roll, bar in marked])
            for lag in metrics.LAGS
        },
        "structure": {
            str(reach): _spread([metrics.recurrence(roll, bar, reach) for roll, bar in marked])
            for reach in metrics.REACHES
        },
        "repetition": _spread(repeated),
        "ends": endings.endings(pieces.rolls, pieces.bars, known.chords),
        "longest_copy": {"max": max(copies), "mean": float(np.mean(copies))},
    }


def likeness(pieces: Pieces, reference: Pieces) -> dict[str, Any]:
    """Compare music with other music.

    Returns
    -------
    dict
        ``told_apart``: see `ostinato.notes.report.likeness.told_apart`. ``overlap``: see
        `overlaps` there.
    """
    return {
        "told_apart": told_apart(
            pieces.windows, pieces.groups, reference.windows, reference.groups
        ),
        "overlap": overlaps(pieces.windows, pieces.groups, reference.windows, reference.groups),
    }


def headline(found: dict[str, Any]) -> dict[str, float | None]:
    """Choose single numbers from what `figures` and `likeness` say of some music.

    Returns
    -------
    dict
        The means of what stands there under the same names; ``overlap`` is the mean area. None if
        there is too little music.
    """
    areas = [area for area, _ in found["overlap"].values()]
    return {
        "told_apart": _mean(found["told_apart"]),
        "overlap": float(np.mean(areas)) if areas else None,
        **{name: found["features"][name][0] for name in ("four_keys", "top_by_step", "parallels")},
        "repetition": _mean(found["repetition"]),
        **found["ends"],
        "longest_copy": found["longest_copy"]["max"],
    }


def _mean(spread: list[float] | None) -> float | None:
    return spread[0] if spread else None


def _spread(values: list[float | None]) -> list[float] | None:
    """Mean and standard deviation of what is known."""
    found = [value for value in values if value is not None]
    return [float(np.mean(found)), float(np.std(found))] if found else None
