"""Piano rolls: rendering notes, transposed if wanted, and folding 88 keys to 12 pitch classes."""

import numpy as np

KEYS = 88
LOWEST = 21
"""Number of piano keys, and the MIDI pitch of the lowest, A0."""
CLASSES = 12
OCTAVES = 9


def render_roll(
    notes: np.ndarray, start: int, steps: int, shift: int = 0, representation: str = "onset"
) -> np.ndarray:
    """Render some steps of a song as a piano roll.

    Parameters
    ----------
    notes : ndarray[STEP_NOTE]
        Notes of one song, sorted by onset.
    start : int
        The first step; steps before the song's beginning are silent.
    steps : int
        Number of steps.
    shift : int
        Semitones to transpose by; notes that leave the keyboard are dropped.
    representation : str
        ``"onset"``: a key is marked where it is struck. ``"holding"``: it is marked at every step
        at which it sounds. ``"notes"``: likewise, but with a negative sign where it is held.

    Returns
    -------
    ndarray[int8], shape [steps, 88]
        MIDI velocities, 0 where no note is marked. If a key is struck while it sounds, the first
        note ends there, and the second lasts until the end of both.
    """
    roll = np.zeros((steps, KEYS), np.int8)
    first, last = np.searchsorted(notes["onset"], [start, start + steps])
    struck = notes[first:last]
    if representation != "onset":
        lasting = notes[:last]
        lasting = lasting[lasting["onset"] + lasting["length"] > start]
        begin = np.maximum(lasting["onset"] - start, 0)
        lengths = np.minimum(lasting["onset"] + lasting["length"] - start, steps) - begin
        places = np.repeat(begin + lengths - lengths.cumsum(), lengths) + np.arange(lengths.sum())
        _write(roll, places, np.repeat(lasting, lengths), shift)
        if representation == "notes":
            np.negative(roll, out=roll)
    _write(roll, struck["onset"] - start, struck, shift)
    return roll


def _write(roll: np.ndarray, steps: np.ndarray, notes: np.ndarray, shift: int) -> None:
    keys = notes["pitch"].astype(np.int64) - LOWEST + shift
    inside = (keys >= 0) & (keys < KEYS)
    roll[steps[inside], keys[inside]] = notes["velocity"][inside]


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
