"""Likeness: whether made continuations can be told from true ones."""

from collections.abc import Sequence

import numpy as np

from ostinato.core import two_sample
from ostinato.sound.report import descriptors

SECONDS = 2
"""The length of the windows that are told apart."""


def told_apart(
    given: Sequence[np.ndarray], made: Sequence[np.ndarray], true: Sequence[np.ndarray]
) -> list[float] | None:
    """Test whether a classifier learns to tell made continuations from true ones.

    See `ostinato.core.two_sample.told_apart`; it sees texture windows of two seconds. Windows of
    one piece, made or true, are never divided between training and test.

    Parameters
    ----------
    given, made, true : sequence of ndarray[float32], shape [2, samples]
        One each for every piece: what was given, which says what is too soft to count, and two
        continuations of it, of the same length.

    Returns
    -------
    list of float, or None
        Balanced accuracy, its mean and standard deviation over five seeds. None if there are fewer
        than five pieces.
    """
    floors = [descriptors.floor_of(sound) for sound in given]
    windows, pieces = [], []
    for continuations in (made, true):
        found = [
            descriptors.textures(descriptors.mel_spectrogram(sound, floor), SECONDS)
            for sound, floor in zip(continuations, floors, strict=True)
        ]
        windows.append(np.concatenate(found))
        pieces.append(np.repeat(np.arange(len(found)), [len(each) for each in found]))
    return two_sample.told_apart(windows[0], pieces[0], windows[1], pieces[1])
