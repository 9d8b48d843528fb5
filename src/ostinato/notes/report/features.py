"""Features of music: what a musician would count in a few bars of whole notes.

Each function turns a roll of whole notes, ndarray[int8] of shape [steps, 88] (1 where a key is
struck, -1 where it is held), into one number or one histogram.
"""

from collections.abc import Sequence

import numpy as np

WINDOW = 8
"""Length of a window in bars."""

STEPWISE, FIFTH = 2, 7
"""A voice moves by step if it moves by so many semitones at most; more than a fifth is a leap."""

DISSONANT = 1, 2, 6, 10, 11
"""Seconds, sevenths and the tritone, in semitones modulo octaves."""

PERFECT = 0, 7
"""Unisons, octaves and fifths, modulo octaves; consecutive ones are parallels."""


def polyphony(roll: np.ndarray) -> np.ndarray:
    """Count the keys that sound at each step."""
    return (roll != 0).sum(1)


def note_lengths(roll: np.ndarray) -> np.ndarray:
    """List the lengths of all notes, in steps."""
    padded = np.pad(roll, ((0, 1), (0, 0)))
    begins = padded[:-1] > 0
    begins[0] |= padded[0] < 0
    ends = (padded[:-1] != 0) & (padded[1:] >= 0)
    return np.nonzero(ends.T)[1] - np.nonzero(begins.T)[1] + 1


def dissonance(roll: np.ndarray) -> float:
    """The share of sounding steps that hold a second, a seventh or a tritone."""
    sounds = roll != 0
    found = np.zeros(len(roll), bool)
    for interval in range(1, sounds.shape[1]):
        if interval % 12 in DISSONANT:
            found |= (sounds[:, interval:] & sounds[:, :-interval]).any(1)
    return share(found, sounds.any(1))


def edge(roll: np.ndarray, top: bool) -> np.ndarray:
    """Return the highest or lowest sounding key of each step; -1 in silence."""
    sounds = roll != 0
    keys = sounds.shape[1] - 1 - sounds[:, ::-1].argmax(1) if top else sounds.argmax(1)
    return np.where(sounds.any(1), keys, -1)


def moves(roll: np.ndarray, top: bool = True) -> np.ndarray:
    """List the moves of the highest or lowest voice, in semitones, without repeated notes."""
    line = edge(roll, top)
    line = line[line >= 0]
    found = np.diff(line)
    return found[found != 0]


def parallels(roll: np.ndarray, beat: int) -> float:
    """The share of parallel fifths and octaves of the outer voices.

    Of all pairs of beats between which both the lowest and the highest voice move, in how many do
    they move in the same direction from one fifth (octave) to another.
    """
    high, low = edge(roll, True)[::beat], edge(roll, False)[::beat]
    there = (low[1:] >= 0) & (low[:-1] >= 0)
    up, down = np.diff(high), np.diff(low)
    both = there & (up != 0) & (down != 0)
    interval = (high - low) % 12
    perfect = np.isin(interval, PERFECT)
    same = perfect[1:] & (interval[1:] == interval[:-1]) & (np.sign(up) == np.sign(down))
    return share(same & both, both)


def share(part: np.ndarray, whole: np.ndarray) -> float:
    """The share of true elements among those of a whole; 0 if there are none."""
    return float((part & whole).sum() / whole.sum()) if whole.any() else 0.0


def windows(roll: np.ndarray, bar: int) -> list[np.ndarray]:
    """Cut a roll into windows of 8 bars; what is left at the end counts only if it is all."""
    size = WINDOW * bar
    cut = [roll[first : first + size] for first in range(0, len(roll) - size + 1, size)]
    return cut or [roll]


def figures(roll: np.ndarray, beat: int) -> dict[str, float]:
    """Compute all figures of a window.

    Parameters
    ----------
    roll : ndarray[int8], shape [steps, 88]
    beat : int
        Number of steps in a quarter note.

    Returns
    -------
    dict of str to float
        ``four_keys``, ``fewer_than_three``: shares of steps at which exactly four, and fewer than
        three, keys sound. ``note_length``: mean, in steps. ``dissonance``: see `dissonance`.
        ``top_by_step``, ``top_leaps``: shares of the moves of the highest voice. ``parallels``: see
        `parallels`. ``struck``: share of steps at which a key is struck.
    """
    count, lengths = polyphony(roll), note_lengths(roll)
    moved = np.abs(moves(roll))
    every = np.ones(len(moved), bool)
    return {
        "four_keys": float((count == 4).mean()),
        "fewer_than_three": float((count < 3).mean()),
        "note_length": float(lengths.mean()) if len(lengths) else 0.0,
        "dissonance": dissonance(roll),
        "top_by_step": share(moved <= STEPWISE, every),
        "top_leaps": share(moved > FIFTH, every),
        "parallels": parallels(roll, beat),
        "struck": float((roll > 0).any(1).mean()),
    }


def summary(rolls: Sequence[np.ndarray], bars: Sequence[int], beat: int) -> dict[str, list[float]]:
    """Average the figures of all windows of some pieces.

    Parameters
    ----------
    rolls : sequence of ndarray[int8], shape [steps, 88]
        Each from a bar line on.
    bars : sequence of int
        Number of steps in a bar of each.
    beat : int
        Number of steps in a quarter note.

    Returns
    -------
    dict of str to list of float
        Mean and standard deviation over the windows of each of `figures`.
    """
    pairs = zip(rolls, bars, strict=True)
    rows = [figures(window, beat) for roll, bar in pairs for window in windows(roll, bar)]
    return {
        name: [float(np.mean(values)), float(np.std(values))]
        for name in rows[0]
        for values in [[row[name] for row in rows]]
    }
