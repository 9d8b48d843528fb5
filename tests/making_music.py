"""Sound whose notes are known, made of decaying or steady harmonics."""

import numpy as np

from ostinato.scores.wav import RATE

SCALE = 60 + np.array([0, 2, 4, 5, 7, 9, 11, 12])


def music(seconds: float, seed: int, every: float = 0.5, harmonics: int = 6) -> np.ndarray:
    """Play random notes of a scale over a drone.

    Parameters
    ----------
    seconds : float
    seed : int
        Determines the pitches.
    every : float
        Seconds from one note to the next; the first comes after half of it.
    harmonics : int
        More of them sound brighter.

    Returns
    -------
    ndarray[float32], shape [2, samples]
    """
    time = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(seed)
    sound = 0.01 * np.sin(2 * np.pi * 110 * time)
    for begins in np.arange(every / 2, seconds, every):
        since = time[time >= begins] - begins
        hertz = 440 * 2 ** ((rng.choice(SCALE) - 69) / 12)
        for number in range(1, harmonics + 1):
            tone = np.sin(2 * np.pi * hertz * number * since) / number
            sound[-len(since) :] += 0.1 * tone * np.exp(-3 * since)
    return np.stack([sound, sound]).astype(np.float32)
