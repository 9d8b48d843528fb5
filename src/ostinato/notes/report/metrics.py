"""Metrics of music, computed from rolls of onsets."""

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
"""Smallest number of consecutive onsets that count as a repetition."""

Event = tuple[int, tuple[int, ...]]
"""An onset: its step and the keys struck there."""


def histograms(rolls: Sequence[np.ndarray], steps_per_beat: int) -> dict[str, np.ndarray]:
    """Compute histograms of some pieces.

    Parameters
    ----------
    rolls : sequence of ndarray, shape [steps, 88]
        The onsets of each piece.
    steps_per_beat : int
        Number of steps in a quarter note.

    Returns
    -------
    dict of str to ndarray[int64]
        ``pitch_class`` [12]: notes of each class, C first. ``interval`` [25]: semitones from the
        highest key of an onset to that of the next, clipped to -12 to 12. ``polyphony`` [10]:
        number of keys struck at an onset, from 1 to "10 or more". ``onset_density``
        [steps_per_beat + 1]: number of steps with an onset in each quarter note.
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
    """Count the notes of each pitch class, in all octaves: ndarray[int64], shape [12]."""
    return pitch_classes(np.diag(roll.sum(0, dtype=int))).sum(0)


def distances(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    """Compare histograms.

    Parameters
    ----------
    one, other : dict of str to ndarray
        From `histograms`.

    Returns
    -------
    dict of str to float
        Jensen-Shannon distance (base 2) of each pair of histograms, from 0 (the same) to 1 (nothing
        in common); 1 if one of the two is empty.
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
    bars = pitch_classes(roll[: len(roll) // bar * bar]).astype(bool).reshape(-1, bar * 12)
    now, before = bars[lag:], bars[:-lag]
    either = (now | before).sum(1)
    if not either.any():
        return None
    return float(np.mean((now & before).sum(1)[either > 0] / either[either > 0]))


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
