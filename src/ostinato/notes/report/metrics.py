"""Metrics of music, computed from rolls of onsets."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ostinato.notes.data.rolls import CLASSES, pitch_classes

LAGS = 1, 2, 4, 8
"""Lags, in bars, at which self-similarity is measured."""

REACHES = 4, 8, 16
"""Numbers of bars back that are searched for what recurs."""

LEAST_REPEATED = 4
"""Smallest number of consecutive onsets that count as a repetition."""

Event = tuple[int, tuple[int, ...]]
"""An onset: its step and the keys struck there."""


def self_similarity(roll: np.ndarray, bar: int, lag: int) -> float | None:
    """Compare each bar of a piece with the bar that is `lag` bars earlier.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Onsets, from a bar line on.
    bar : int
        Number of steps in a bar.
    lag : int
        Number of bars back.

    Returns
    -------
    float or None
        Jaccard similarity: the number of onsets of pitch classes that both bars have at the same
        position, divided by the number that at least one of them has. It is averaged over all pairs
        of bars with an onset; None if there is no such pair.
    """
    similar = _similarities(_bars(roll, bar), lag)
    similar = similar[~np.isnan(similar)]
    return float(similar.mean()) if len(similar) else None


def recurrence(roll: np.ndarray, bar: int, reach: int) -> float | None:
    """Measure how much of a piece comes back within some bars.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Onsets, from a bar line on.
    bar : int
        Number of steps in a bar.
    reach : int
        Number of bars back that are searched.

    Returns
    -------
    float or None
        The similarity of each bar to that of the last `reach` bars which is most similar to it,
        averaged over all bars but the first; see `self_similarity`. None if there is one bar only.
    """
    classes = _bars(roll, bar)
    best = np.zeros(max(len(classes) - 1, 0))
    for lag in range(1, min(reach, len(classes) - 1) + 1):
        best[lag - 1 :] = np.fmax(best[lag - 1 :], _similarities(classes, lag))
    return float(best.mean()) if len(best) else None


def _bars(roll: np.ndarray, bar: int) -> np.ndarray:
    """Cut onsets of pitch classes into whole bars: ndarray[bool], shape [bars, steps * 12]."""
    whole = len(roll) // bar
    return pitch_classes(roll[: whole * bar]).astype(bool).reshape(whole, bar * CLASSES)


def _similarities(bars: np.ndarray, lag: int) -> np.ndarray:
    """Compare each bar with that `lag` bars earlier; nan where neither has an onset."""
    now, before = bars[lag:], bars[:-lag]
    either = (now | before).sum(1)
    return np.where(either > 0, (now & before).sum(1) / np.maximum(either, 1), np.nan)


def repetition(roll: np.ndarray, beat: int, bar: int) -> float | None:
    """Measure how much of a piece is repeated exactly.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Onsets.
    beat, bar : int
        Number of steps in a quarter note and in a bar.

    Returns
    -------
    float or None
        The share of onsets that lie in a repetition: a run of at least four consecutive onsets at
        each of which exactly the same keys are struck as k beats earlier, for a k of at most eight
        bars. None if there is no onset.
    """
    roll = roll.astype(bool)
    struck = roll.any(1)
    repeated = np.zeros(len(roll), bool)
    for lag in range(beat, min(8 * bar, len(roll) - 1) + 1, beat):
        counted = np.flatnonzero(struck[lag:] | struck[:-lag]) + lag
        same = (roll[counted] == roll[counted - lag]).all(1)
        edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
        for first, last in edges.reshape(-1, 2):
            if last - first >= LEAST_REPEATED:
                repeated[counted[first:last]] = True
    return float(repeated[struck].mean()) if struck.any() else None


def events(roll: np.ndarray) -> list[Event]:
    """List the onsets of a roll with the keys struck at each."""
    steps = np.flatnonzero(roll.any(1)).tolist()
    return [(step, tuple(np.flatnonzero(roll[step]).tolist())) for step in steps]


class Copies:
    """Finds runs that a piece has in common with known songs, in any transposition.

    Parameters
    ----------
    rolls : sequence of ndarray, shape [steps, 88]
        Onsets of the known songs.
    """

    def __init__(self, rolls: Sequence[np.ndarray]):
        self._places: dict[tuple, list[int]] = defaultdict(list)
        place = 0
        for roll in rolls:
            for transition in _transitions(events(roll)):
                self._places[transition].append(place)
                place += 1
            place += 1  # no run goes from one song into the next

    def longest(self, roll: np.ndarray) -> int:
        """Measure the longest common run.

        Parameters
        ----------
        roll : ndarray, shape [steps, 88]
            Onsets of a piece.

        Returns
        -------
        int
            Number of steps from the first onset of the run to its last. Within the run, all onsets
            are the same, at the same distances in time and pitch.
        """
        piece = events(roll)
        best = 0
        runs: dict[int, int] = {}
        for i, transition in enumerate(_transitions(piece)):
            runs = {p: runs.get(p - 1, 0) + 1 for p in self._places.get(transition, ())}
            for length in set(runs.values()):
                best = max(best, piece[i + 1][0] - piece[i + 1 - length][0])
        return best


def _transitions(piece: list[Event]) -> list[tuple]:
    """Describe the step from each onset to the next, independently of transposition."""
    return [
        (
            later - step,
            tuple(key - keys[0] for key in keys),
            tuple(key - keys[0] for key in next_keys),
        )
        for (step, keys), (later, next_keys) in pairwise(piece)
    ]
