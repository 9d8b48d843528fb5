"""Beats of a performance, found from when its notes are struck.

A live performance has no beats of its own, or none that mean anything. What was meant is found by a
hidden Markov model: each onset stands at one of twelve places in a beat, and the beat lasts a time
that changes slowly (Raphael, 2002, "A hybrid graphical model for rhythmic parsing"; Nakamura,
Yoshii and Sagayama, 2017, "Rhythm transcription of polyphonic piano music based on merged-output
HMM"). The likeliest path is found by the algorithm of Viterbi.
"""

import numpy as np

PLACES = 12
"""Places in a beat."""

CHORD = 0.035
"""Notes struck within so many seconds are one chord."""

USUALLY = np.log([0.42, 0.002, 0.01, 0.075, 0.025, 0.002, 0.26, 0.002, 0.025, 0.105, 0.01, 0.002])
"""How likely an onset is to stand at each place of a beat, as a logarithm."""

BEATS = 0.22, 1.6
"""The shortest and the longest beat, in seconds."""

TEMPI = 36
"""Number of beat lengths between them, each longer by the same factor."""

USUAL_BEAT, VARIED = 0.55, 0.45
"""The usual length of a beat in seconds, and the standard deviation of its logarithm."""

CHANGE, MOST = 0.05, 3
"""Standard deviation of the logarithm of a change of tempo from onset to onset, and how many
lengths further the next may be at most."""

EARLY, UNEVEN = 0.018, 0.10
"""Standard deviation of an interval between onsets: in seconds, and as a share of it."""

LONGEST = 4 * PLACES
"""The longest time between two onsets, in places; what is longer is as long."""

SKIPPED = -0.35
"""Log-probability that nothing is struck on a beat."""


def find_beats(seconds: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where in the beats of a performance its notes stand.

    Parameters
    ----------
    seconds : ndarray[float64], shape [notes]
        When notes are struck, in order.
    weights : ndarray[float64], shape [notes]
        How strong they are.

    Returns
    -------
    times : ndarray[float64], shape [chords]
        When chords are struck.
    places : ndarray[int64], shape [chords]
        The place of each, counted from a beat: multiples of 12 are beats.
    """
