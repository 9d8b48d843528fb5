"""Endings: on which chords pieces end, and whether these are at home in their keys."""

from collections.abc import Sequence

import numpy as np

from ostinato.notes.data.rolls import CLASS_OF_KEY, CLASSES

MAJOR = 6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88
MINOR = 6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17
"""How well each pitch class fits into a key, from the tonic upwards (Krumhansl and Kessler, 1982,
"Tracing the dynamic changes in perceived tonal organization in a spatial representation")."""


def tonic(roll: np.ndarray) -> int:
    """Find the tonic of a piece as Krumhansl and Schmuckler do.

    Of all major and minor keys, it is that whose profile correlates best with how long each pitch
    class sounds.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Not 0 where a key sounds.

    Returns
    -------
    int
        A pitch class, 0 for C; also 0 if all classes sound equally long.
    """
    lengths = np.bincount(CLASS_OF_KEY, (roll != 0).sum(0), CLASSES)
    if not np.ptp(lengths):  # nothing, or everything, fits into all keys
        return 0
    profiles = [np.roll(mode, key) for mode in (MAJOR, MINOR) for key in range(CLASSES)]
    fits = [np.corrcoef(lengths, profile)[0, 1] for profile in profiles]
    return int(np.argmax(fits)) % CLASSES


def final_chord(roll: np.ndarray) -> tuple[int, frozenset[int]] | None:
    """Read the last chord of a piece.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        Not 0 where a key sounds.

    Returns
    -------
    tuple of int and frozenset of int, or None
        The pitch class of its lowest key, and the intervals from there to all keys, in semitones
        modulo octaves. None if nothing sounds.
    """
    sounding = np.flatnonzero(roll.any(1))
    if not len(sounding):
        return None
    keys = np.flatnonzero(roll[sounding[-1]])
    intervals = frozenset(((keys - keys[0]) % CLASSES).tolist())
    return int(CLASS_OF_KEY[keys[0]]), intervals


def last_chords(songs: Sequence[np.ndarray]) -> set[frozenset[int]]:
    """Collect the last chords of songs, in no particular transposition."""
    return {found[1] for song in songs if (found := final_chord(song))}


def endings(
    pieces: Sequence[np.ndarray], bars: Sequence[int], chords: set[frozenset[int]]
) -> dict[str, float]:
    """Compute how pieces end.

    Parameters
    ----------
    pieces : sequence of ndarray, shape [steps, 88]
        Whole pieces, not 0 where a key sounds.
    bars : sequence of int
        Number of steps in a bar of each.
    chords : set of frozenset of int
        Those on which songs end, from `last_chords`.

    Returns
    -------
    dict of str to float
        ``like_songs``: the share of pieces that end, in their last bar, on one of these chords.
        ``on_tonic``: the share of pieces that do, and have the tonic in the bass; see `tonic`.
    """
    like, home = 0, 0
    for piece, bar in zip(pieces, bars, strict=True):
        found = final_chord(piece[-bar:])
        if found and found[1] in chords:
            like += 1
            home += found[0] == tonic(piece)
    return {"like_songs": like / len(pieces), "on_tonic": home / len(pieces)}
