"""Grids: in how many steps a beat is divided, and how notes stand to them, found from the notes.

Onsets in a file may all be late by the same time, swing, scatter around their steps because they
were played, or need steps that are a third of a beat. For each way to divide a beat, the onsets are
a mixture of normal distributions of one width around the steps, and of notes that stand anywhere,
fitted by expectation maximisation (Dempster, Laird and Rubin, 1977).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ostinato.scores.score import TICKS_PER_BEAT, Score, tidy

STEPS = 4, 6, 8, 12
"""Numbers of steps that a beat may be divided into, the preferred ones first."""

SWINGING = 2, 4
"""How many of the notes that may swing are in a beat: eighths, sixteenths."""

STRAIGHT, TRIPLETS = 1 / 2, 2 / 3
"""The share of a pair that its first note lasts, without swing and with that of triplets."""

SWING = 0.54, 0.72
"""The least and the most that counts as swing; at 3/4, notes are dotted."""

LATER = 8
"""So many onsets, at least, are on the later notes of pairs that swing."""

BETWEEN = 0.15
"""Where eighths swing, so many onsets for each on a second eighth may stand between them."""

ROUNDS = 40
"""Rounds of expectation maximisation."""

SPREAD = 2.0, 40.0
"""Bounds of the standard deviation around steps, in ticks. Less than the first is rounding."""

ENOUGH = 0.1
"""A grid is fine enough if finer ones tell so much more about an onset, in nats, at most. About 2
in 100 notes that stand on a finer one alone are as much."""

SERVED = 0.9
"""The grid of a corpus is fine enough for so large a share of its songs."""

KNOWN = 0.2
"""A grid that tells less about an onset than this, in nats, is none."""


@dataclass(frozen=True)
class Grid:
    """How the notes of a piece stand to steps.

    Attributes
    ----------
    steps : int
        Steps in a quarter note.
    offset : float
        By how many ticks notes are late, the nearest to 0 that fits: which step is the beat is not
        said.
    spread : float
        Standard deviation of onsets around their steps, in ticks.
    share : float
        Share of onsets that stand at steps.
    nats : float
        What the grid tells about an onset: the mean of the logarithm of its density, which is 0
        where onsets may stand anywhere.
    swing : float
        The share of a pair of notes that the first one lasts; 0.5 if nothing swings.
    unit : int
        How many such notes are in a beat: 2 or 4.
    """

    steps: int
    offset: float
    spread: float
    share: float
    nats: float
    swing: float = STRAIGHT
    unit: int = SWINGING[0]


def places(steps: int, swing: float = STRAIGHT, unit: int = SWINGING[0]) -> np.ndarray:
    """Find where the steps of a beat are: ndarray[float64], shape [steps], in beats."""
    pair = 2 / unit
    whole, rest = np.divmod(np.arange(steps) / steps / pair + 1e-9, 1)
    return (whole + np.interp(rest, [0, STRAIGHT, 1], [0, swing, 1])) * pair


def straightened(ticks: np.ndarray, swing: float, unit: int) -> np.ndarray:
    """Undo swing: ticks, an array of any shape, to float64 of the same shape, in beats."""
    return _warped(ticks, unit, swing, STRAIGHT)


def without_swing(score: Score, swing: float, unit: int) -> Score:
    """Undo the swing of a score, rounded to ticks."""
    return _reswung(score, unit, swing, STRAIGHT)


def with_swing(score: Score, swing: float, unit: int) -> Score:
    """Let a straight score swing, rounded to ticks."""
    return _reswung(score, unit, STRAIGHT, swing)


def _reswung(score: Score, unit: int, before: float, after: float) -> Score:
    notes = score.notes.copy()
    end = notes["onset"] + notes["length"]
    onset, end = (
        np.floor(_warped(each, unit, before, after) * TICKS_PER_BEAT + 0.5).astype(np.int64)
        for each in (notes["onset"], end)
    )
    notes["onset"], notes["length"] = onset, np.maximum(end - onset, 1)
    return replace(score, notes=tidy(notes))


def _warped(ticks: np.ndarray, unit: int, before: float, after: float) -> np.ndarray:
    """Change how ticks swing: to beats."""
    whole, rest = np.divmod(ticks / TICKS_PER_BEAT, 1)
    # The last step is the next beat.
    old, new = (np.append(places(STEPS[-1], swing, unit), 1.0) for swing in (before, after))
    return whole + np.interp(rest, old, new)


def find_grid(onsets: np.ndarray) -> Grid | None:
    """Find the grid of a piece.

    Parameters
    ----------
    onsets : ndarray[int], shape [notes]
        Ticks.

    Returns
    -------
    Grid or None
        The first of `STEPS` that tells about as much of onsets as any, swung if that does, too;
        None if onsets have no grid.
    """
    # What counts is where in its beat an onset stands, and how many stand there.
    where, counts = np.unique(np.unique(onsets) % TICKS_PER_BEAT, return_counts=True)
    onset, weight = where / TICKS_PER_BEAT, counts / counts.sum()
    straight = [_fitted(onset, weight, steps)[0] for steps in STEPS]
    enough = max(grid.nats for grid in straight) - ENOUGH
    best = next(grid for grid in straight if grid.nats >= enough)
    for unit in SWINGING:
        swung, shares = _fitted(onset, weight, STEPS[0], unit)
        later = shares[2] if unit == SWINGING[0] else shares[1] + shares[3]
        explains = min(swung.nats - straight[0].nats, swung.nats - best.nats + 2 * ENOUGH) > ENOUGH
        swings = SWING[0] < swung.swing < SWING[1] and later * counts.sum() >= LATER
        if swings and explains:
            best = swung
    return best if best.nats > KNOWN else None


def _fitted(
    onset: np.ndarray, weight: np.ndarray, steps: int, unit: int = 0
) -> tuple[Grid, np.ndarray]:
    """Fit a mixture to onsets in a beat and their weights; with a unit, notes of it swing.

    Returns
    -------
    grid : Grid
    shares : ndarray[float64], shape [steps]
        Of the onsets at each step, among those at any.
    """
    swing = TRIPLETS if unit else STRAIGHT
    place = places(steps, swing, unit or SWINGING[0])
    offset, stray = _first_offset(onset, weight, place), 0.05
    low, high = (bound / TICKS_PER_BEAT for bound in SPREAD)
    shares, spread = np.full(steps, 1 / steps), (low + high) / 2
    # What is unknown: how late all steps are, and by how much the later ones of pairs swing.
    terms = np.ones((1 + bool(unit), steps))
    if unit:
        terms[1] = (places(steps, swing + 0.01, unit) - place) / 0.01
    for _ in range(ROUNDS):
        distance = (onset[:, None] - place - offset + 0.5) % 1 - 0.5
        density = np.exp(-(distance**2) / (2 * spread**2)) / (spread * np.sqrt(2 * np.pi))
        density *= shares * (1 - stray)
        total = density.sum(1) + stray
        belongs = density * (weight / total)[:, None]
        each = belongs.sum(0)
        change = np.linalg.lstsq(terms * each @ terms.T, terms @ (belongs * distance).sum(0))[0]
        moved = change @ terms
        spread = np.sqrt((belongs * (distance - moved) ** 2).sum() / each.sum())
        spread = float(np.clip(spread, low, high))
        offset, place = offset + change[0], place + moved - change[0]
        shares, stray = each / each.sum(), max(1 - each.sum(), 1e-6)
        swing += float(change[1:].sum())
    if unit == SWINGING[0] and shares[1] + shares[3] > BETWEEN * shares[2]:
        swing = STRAIGHT  # triplets, or straight sixteenths
    ticks = offset * TICKS_PER_BEAT, spread * TICKS_PER_BEAT
    nats = float(weight @ np.log(total))
    return Grid(steps, *ticks, 1 - stray, nats, swing, unit or SWINGING[0]), shares


def _first_offset(onset: np.ndarray, weight: np.ndarray, place: np.ndarray) -> float:
    """Find roughly how late onsets are: at most half a step, in beats."""
    half = 0.5 / len(place)
    offsets = np.linspace(-half, half, 24, endpoint=False)
    distance = (onset[:, None, None] - place - offsets[:, None] + 0.5) % 1 - 0.5
    near = weight @ np.exp(-((distance * TICKS_PER_BEAT / 10) ** 2) / 2).sum(2)
    # Of offsets that are as good, the nearest to 0.
    order = np.argsort(np.abs(offsets), kind="stable")
    return float(offsets[order[near[order].argmax()]])


def usual_steps(songs: Iterable[dict[str, str]]) -> int:
    """Choose how many steps a quarter note has: the fewest that suit most songs.

    Parameters
    ----------
    songs : iterable of dict
        Rows of a corpus' songs.csv. A song that needs 6 steps is also served by 12.

    Returns
    -------
    int
        One of `STEPS`; if none serves `SERVED` of the songs, that which serves
        the most.
    """
    needed = [int(song["steps_per_beat"]) for song in songs if song["steps_per_beat"]]
    serves = {steps: sum(steps % each == 0 for each in needed) for steps in STEPS}
    enough = (steps for steps, count in serves.items() if count >= SERVED * len(needed))
    return next(enough, max(serves, key=lambda steps: serves[steps]))


def swing_of(song: dict[str, str]) -> tuple[float, int] | None:
    """Find how a song swings, from a row of a corpus' songs.csv; None if it does not."""
    return (float(song["swing"]), int(song["swung"])) if song["swing"] else None
