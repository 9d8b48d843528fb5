"""What a musician would count in the notes of a sound."""

import numpy as np

FIGURES = "notes_a_second", "voices", "chords"
KNOWN = {
    frozenset((root + step) % 12 for step in chord)
    for root in range(12)
    for chord in (
        (0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10),
        (0, 3, 6, 10), (0, 3, 6, 9),
    )
}  # fmt: skip
"""Pitch classes of triads and seventh chords."""
TOGETHER, JUST_AFTER = 0.05, 0.04
"""Notes that start within so many seconds are one onset; what sounds is looked at so many seconds
after it."""


def describe(notes: np.ndarray, begin: float, end: float) -> dict[str, float]:
    """Describe the notes of a part of a piece.

    Parameters
    ----------
    notes : ndarray[PLAYED]
        In order of their starts.
    begin, end : float
        The part, in seconds.

    Returns
    -------
    dict of str to float
        ``notes_a_second``; ``voices``: how many notes sound where notes start, on average;
        ``chords``: of the starts at which three or more pitch classes sound, the share that are a
        triad or a seventh chord. The last two are 0 where there are none.
    """
    starts = notes["start"]
    inside = (starts >= begin) & (starts < end)
    onsets = starts[inside]
    onsets = onsets[np.diff(onsets, prepend=-1.0) > TOGETHER] + JUST_AFTER
    sounding = (starts <= onsets[:, None]) & (notes["end"] > onsets[:, None])
    heard = [frozenset((notes["pitch"][row] % 12).tolist()) for row in sounding]
    full = [chord for chord in heard if len(chord) > 2]
    return {
        "notes_a_second": float(inside.sum() / (end - begin)),
        "voices": float(sounding.sum(1).mean()) if len(onsets) else 0.0,
        "chords": float(np.mean([chord in KNOWN for chord in full])) if full else 0.0,
    }
