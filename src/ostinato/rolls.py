"""Notes to rolls, 88 keys to 12 pitch classes, and transposition."""

import numpy as np

KEYS = 88
LOWEST = 21
"""Piano keys, and the MIDI pitch of the lowest, A0."""
CLASSES = 12
OCTAVES = 9


def onset_roll(notes: np.ndarray, start: int, steps: int, shift: int = 0) -> np.ndarray:
    """Draw the onsets of some steps of a song.

    Parameters
    ----------
    notes : ndarray[STEP_NOTE]
        Notes of one song, sorted by onset.
    start : int
        The first step; steps before the song's beginning are silent.
    steps : int
        How many steps.
    shift : int
        Semitones to transpose by; notes that leave the keyboard are lost.

    Returns
    -------
    ndarray[uint8], shape [steps, 88]
        1 where a key is struck.
    """
    roll = np.zeros((steps, KEYS), np.uint8)
    first, last = np.searchsorted(notes["onset"], [start, start + steps])
    part = notes[first:last]
    keys = part["pitch"].astype(np.int64) - LOWEST + shift
    inside = (keys >= 0) & (keys < KEYS)
    roll[part["onset"][inside] - start, keys[inside]] = 1
    return roll


def pitch_classes(roll: np.ndarray) -> np.ndarray:
    """Fold the octaves of a roll into one.

    Parameters
    ----------
    roll : ndarray, shape [..., 88]
        Piano keys; 1 where a key is struck.

    Returns
    -------
    ndarray, shape [..., 12]
        1 where any key of the class is struck; class 0 is C.
    """
    padded = np.zeros((*roll.shape[:-1], OCTAVES * CLASSES), roll.dtype)
    padded[..., LOWEST % CLASSES : LOWEST % CLASSES + KEYS] = roll
    return padded.reshape(*roll.shape[:-1], OCTAVES, CLASSES).max(-2)


CLASS_OF_KEY = (np.arange(KEYS) + LOWEST) % CLASSES
"""ndarray[int64], shape [88]: the pitch class of each key."""
