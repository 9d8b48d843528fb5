"""Features of music: what a musician would count in a few bars of whole notes.

All functions take a roll of whole notes, ndarray[int8] of shape [steps, 88]: 1 where a key is
struck, -1 where it is held, 0 where it is silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ostinato.notes.data.rolls import CLASS_OF_KEY, CLASSES, LOWEST
from ostinato.notes.report import metrics

WINDOW, HOP = 8, 4
"""Length of a window in bars, and from how many bars to the next a new one begins."""

STEPWISE, FIFTH = 2, 7
"""A voice moves by step if it moves by so many semitones at most; more than a fifth is a leap."""

DISSONANT = 1, 2, 6, 10, 11
"""Seconds, sevenths and the tritone, in semitones modulo octaves."""

PERFECT = 0, 7
"""Unisons, octaves and fifths, modulo octaves; consecutive ones are parallels."""

MAJOR = 0, 2, 4, 5, 7, 9, 11
"""The pitch classes of a major scale, which are also those of its relative natural minor."""

LARGEST_INTERVAL, LARGEST_CHORD = 12, 8
"""Larger ones are counted as these."""

LONGEST = 4
"""Notes of this many beats and longer are counted together."""


SUMMARY = (
    *("four_keys", "fewer_than_three", "note_length", "dissonance", "top_by_step", "top_leaps"),
    *("parallels", "struck", "scale_consistency", "groove_consistency"),
)
"""Figures of a window that are reported; all of them are used to tell music apart."""


@dataclass(frozen=True)
class Window:
    """What is counted in some bars.

    Attributes
    ----------
    figures : dict of str to float
        ``four_keys``, ``fewer_than_three``: shares of steps at which exactly four, and fewer than
        three, keys sound. ``keys``: mean number of keys that sound. ``note_length``,
        ``note_length_deviation``: mean and standard deviation, in steps. ``struck``: share of steps
        at which a key is struck. ``struck_on_beats``: share of these that are on a beat.
        ``struck_together``: mean number of keys that are struck at once. ``dissonance``: see
        `dissonance`. ``parallels``: see `parallels`. ``classes``: number of different pitch
        classes. ``scale_consistency``: see `scale_consistency`. ``groove_consistency``: see
        `groove_consistency`. ``repetition``: see `metrics.repetition`. ``self_similarity_1``,
        ``_2``, ``_4``: see `metrics.self_similarity`. ``top_by_step``, ``top_leaps``: shares of the
        moves of the highest voice. ``top_moves``: their number a beat. ``top_pitch``,
        ``top_range``: mean and standard deviation of its MIDI pitch. ``bass_by_step`` and so on:
        the same of the lowest voice.
    histograms : dict of str to ndarray[float64]
        Shares. ``pitch_classes`` [12]: of notes, C first. ``pitch_class_transitions`` [144]: of the
        moves and repetitions of the highest voice. ``note_lengths`` [4 * beat]: in steps.
        ``intervals`` [25]: of the moves of the highest voice, from -12 to 12 semitones.
        ``polyphony`` [9]: numbers of keys that sound.
    """

    figures: dict[str, float]
    histograms: dict[str, np.ndarray]


def describe(roll: np.ndarray, bar: int, beat: int) -> Window:
    """Count everything in some bars.

    Parameters
    ----------
    roll : ndarray[int8], shape [steps, 88]
        From a bar line on.
    bar, beat : int
        Numbers of steps in a bar and in a quarter note.

    Returns
    -------
    Window
    """
    count, lengths, onsets = polyphony(roll), note_lengths(roll), roll > 0
    struck = onsets.any(1)
    beats = len(roll) / beat
    figures = {
        "four_keys": float((count == 4).mean()),
        "fewer_than_three": float((count < 3).mean()),
        "keys": float(count.mean()),
        "note_length": float(lengths.mean()) if len(lengths) else 0.0,
        "note_length_deviation": float(lengths.std()) if len(lengths) else 0.0,
        "struck": float(struck.mean()),
        "struck_on_beats": share(np.arange(len(roll)) % beat == 0, struck),
        "struck_together": float(onsets.sum() / max(struck.sum(), 1)),
        "dissonance": dissonance(roll),
        "parallels": parallels(roll, beat),
        "classes": float((counts_of_classes(onsets) > 0).sum()),
        "scale_consistency": scale_consistency(roll),
        "groove_consistency": groove_consistency(roll, bar),
        "repetition": metrics.repetition(onsets, beat, bar) or 0.0,
    }
    for lag in (1, 2, 4):
        figures[f"self_similarity_{lag}"] = metrics.self_similarity(onsets, bar, lag) or 0.0
    for name, top in (("top", True), ("bass", False)):
        line, moved = edge(roll, top), np.abs(moves(roll, top))
        every, sounds = np.ones(len(moved), bool), line >= 0
        figures |= {
            f"{name}_by_step": share(moved <= STEPWISE, every),
            f"{name}_leaps": share(moved > FIFTH, every),
            f"{name}_moves": len(moved) / beats,
            f"{name}_pitch": float(line[sounds].mean() + LOWEST) if sounds.any() else 0.0,
            f"{name}_range": float(line[sounds].std()) if sounds.any() else 0.0,
        }
    longest = LONGEST * beat
    highest = edge(roll, True)
    # In silence, the key is the last one, which is not struck.
    tune = highest[roll[np.arange(len(roll)), highest] > 0] + LOWEST
    steps = np.clip(moves(roll), -LARGEST_INTERVAL, LARGEST_INTERVAL) + LARGEST_INTERVAL
    counts = {
        "pitch_classes": counts_of_classes(onsets),
        "pitch_class_transitions": np.bincount(
            tune[:-1] % CLASSES * CLASSES + tune[1:] % CLASSES, minlength=CLASSES**2
        ),
        "note_lengths": np.bincount(np.minimum(lengths, longest), minlength=longest + 1)[1:],
        "intervals": np.bincount(steps, minlength=2 * LARGEST_INTERVAL + 1),
        "polyphony": np.bincount(np.minimum(count, LARGEST_CHORD), minlength=LARGEST_CHORD + 1),
    }
    shares = {name: counted / max(counted.sum(), 1) for name, counted in counts.items()}
    return Window(figures, shares)


def windows(roll: np.ndarray, bar: int) -> list[np.ndarray]:
    """Cut a roll into windows of 8 bars, a new one every 4 bars; a shorter roll is one window."""
    size = WINDOW * bar
    firsts = range(0, len(roll) - size + 1, HOP * bar)
    return [roll[first : first + size] for first in firsts] or [roll]


def summary(described: Sequence[Window]) -> dict[str, list[float]]:
    """Compute mean and standard deviation over windows of each of the figures in `SUMMARY`."""
    return {
        name: [float(np.mean(values)), float(np.std(values))]
        for name in SUMMARY
        for values in [[window.figures[name] for window in described]]
    }


def mean_histograms(described: Sequence[Window]) -> dict[str, np.ndarray]:
    """Average each histogram over windows."""
    return {
        name: np.mean([window.histograms[name] for window in described], 0)
        for name in described[0].histograms
    }


def counts_of_classes(marks: np.ndarray) -> np.ndarray:
    """Count marks of a roll by pitch class, C first: [steps, 88] of bool to [12]."""
    return np.bincount(CLASS_OF_KEY, marks.sum(0), CLASSES)


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
        if interval % CLASSES in DISSONANT:
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
    interval = (high - low) % CLASSES
    perfect = np.isin(interval, PERFECT)
    same = perfect[1:] & (interval[1:] == interval[:-1]) & (np.sign(up) == np.sign(down))
    return share(same & both, both)


def scale_consistency(roll: np.ndarray) -> float:
    """The largest share of notes that lie in one major scale (Mogren, 2016, arXiv:1611.09904)."""
    counts = counts_of_classes(roll > 0)
    scales = [[(note + tonic) % CLASSES for note in MAJOR] for tonic in range(CLASSES)]
    return float(max(counts[scale].sum() for scale in scales) / max(counts.sum(), 1))


def groove_consistency(roll: np.ndarray, bar: int) -> float:
    """How alike the rhythms of consecutive bars are (Wu and Yang, 2020, arXiv:2008.01307).

    1 minus the share of steps that have an onset in one of two consecutive bars only, averaged
    over all pairs; 1 if there is no pair.
    """
    struck = (roll > 0).any(1)[: len(roll) // bar * bar].reshape(-1, bar)
    pairs = struck[1:] == struck[:-1]
    return float(pairs.mean()) if pairs.size else 1.0


def share(part: np.ndarray, whole: np.ndarray) -> float:
    """The share of true elements among those of a whole; 0 if there are none."""
    return float((part & whole).sum() / whole.sum()) if whole.any() else 0.0
