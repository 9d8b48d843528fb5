"""Figures of music: what can be said of a roll of onsets, and of two sets of them."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial.distance import jensenshannon

from ostinato.notes.data.rolls import pitch_classes

LARGEST_INTERVAL = 12
LARGEST_CHORD = 10
BARS = (1, 2, 4, 8)
"""Lags, in bars, at which self-similarity is measured."""

LEAST_REPEATED = 4
"""Steps with an onset that count as a repetition when they follow each other."""

Event = tuple[int, tuple[int, ...]]
"""An onset: its step and the keys struck there."""


def histograms(rolls: Sequence[np.ndarray], steps_per_beat: int) -> dict[str, np.ndarray]:
    """Count what happens in some pieces.

    Parameters
    ----------
    rolls : sequence of ndarray, shape [steps, 88]
        Onsets of a piece each.
    steps_per_beat : int
        Steps in a quarter note.

    Returns
    -------
    dict of str to ndarray[int64]
        ``pitch_class`` [12]: notes of each class, C first. ``interval`` [25]: semitones from the
        highest key of an onset to that of the next, -12 to 12, larger ones counted as 12.
        ``polyphony`` [10]: keys struck at an onset, 1 to 10 and more. ``onset_density``
        [steps_per_beat + 1]: steps with an onset in each quarter note.
    """
    tops = [_top(roll) for roll in rolls]
    leaps = np.concatenate([np.diff(top) for top in tops])
    chords = np.concatenate([roll.sum(1, dtype=int) for roll in rolls])
    beats = [roll[: len(roll) // steps_per_beat * steps_per_beat].any(1) for roll in rolls]
    onsets = np.concatenate([beat.reshape(-1, steps_per_beat).sum(1) for beat in beats])
    return {
        "pitch_class": sum(pitch_classes_of(roll) for roll in rolls),
        "interval": np.bincount(
            np.clip(leaps, -LARGEST_INTERVAL, LARGEST_INTERVAL) + LARGEST_INTERVAL,
            minlength=2 * LARGEST_INTERVAL + 1,
        ),
        "polyphony": np.bincount(
            np.minimum(chords[chords > 0], LARGEST_CHORD), minlength=LARGEST_CHORD + 1
        )[1:],
        "onset_density": np.bincount(onsets, minlength=steps_per_beat + 1),
    }


def _top(roll: np.ndarray) -> np.ndarray:
    struck = roll[roll.any(1)]
    return struck.shape[1] - 1 - struck[:, ::-1].argmax(1)


def pitch_classes_of(roll: np.ndarray) -> np.ndarray:
    """Count the keys struck of each pitch class, octaves counted apart: ndarray[int64], [12]."""
    return pitch_classes(np.diag(roll.sum(0, dtype=int))).sum(0)


def distances(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    """Compare histograms.

    Parameters
    ----------
    one, other : dict of str to ndarray
        From `histograms`; each counts something.

    Returns
    -------
    dict of str to float
        Jensen-Shannon distance to base 2 of each histogram, 0 (alike) to 1 (nothing in common); 1
        where one of the two is empty.
    """
    return {
        name: float(jensenshannon(one[name], other[name], base=2))
        if one[name].any() and other[name].any()
        else 1.0
        for name in one
    }


def silence(rolls: Sequence[np.ndarray]) -> float:
    """Compute the share of steps at which nothing is struck."""
    return 1 - float(np.mean(np.concatenate([roll.any(1) for roll in rolls])))


def self_similarity(roll: np.ndarray, bar: int, lag: int) -> float | None:
    """Compare the bars of a piece with those some bars before.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Onsets from the beginning of a bar on.
    bar : int
        Steps in a bar.
    lag : int
        How many bars back.

    Returns
    -------
    float or None
        Onsets of pitch classes that both bars have at the same place, divided by those that either
        has, the mean over all pairs of bars in which something is struck; None without such a pair.
    """
    bars = pitch_classes(roll[: len(roll) // bar * bar]).astype(bool).reshape(-1, bar * 12)
    now, before = bars[lag:], bars[:-lag]
    either = (now | before).sum(1)
    if not either.any():
        return None
    return float(np.mean((now & before).sum(1)[either > 0] / either[either > 0]))


def repetition(roll: np.ndarray, beat: int, bar: int) -> float | None:
    """Measure how much of a piece is repeated, to the note.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Onsets.
    beat, bar : int
        Steps in a quarter note and in a bar.

    Returns
    -------
    float or None
        The share of steps with an onset at which, as at three or more others in a row, just that is
        struck which was struck some beats before, eight bars at most; None without an onset.
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
            Steps from the first onset of the run to its last; within it everything struck is
            the same, at the same distances in time and pitch.
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
    """From each onset to the next: what is the same in every transposition."""
    return [
        (
            later - step,
            tuple(key - keys[0] for key in keys),
            tuple(key - keys[0] for key in next_keys),
        )
        for (step, keys), (later, next_keys) in pairwise(piece)
    ]
