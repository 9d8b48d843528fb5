"""Which instrument is it: a classifier of seconds of sound, to hear whether it stays the same."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ostinato.sound.report import descriptors

SECONDS = 1
"""The length of what is named at a time."""
SILENT = -1
"""What silence is called."""


def learn(sounds: Sequence[np.ndarray], programs: Sequence[int]) -> Pipeline:
    """Fit logistic regression to texture windows of a second.

    Parameters
    ----------
    sounds : sequence of ndarray[float32], shape [2, samples]
        Each of one instrument.
    programs : sequence of int
        General MIDI programs, 0 to 127, one for each sound.

    Returns
    -------
    Pipeline
        For `name`.
    """
    seconds, labels = [], []
    for sound, program in zip(sounds, programs, strict=True):
        found, heard = _seconds(sound, descriptors.floor_of(sound))
        seconds.append(found[heard])
        labels += [program] * int(heard.sum())
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return classifier.fit(np.concatenate(seconds), labels)


def name(classifier: Pipeline, sound: np.ndarray, floor: float) -> np.ndarray:
    """Name the instrument that each second sounds most like.

    Parameters
    ----------
    classifier : Pipeline
        What `learn` returned.
    sound : ndarray[float32], shape [2, samples]
    floor : float
        The level below which nothing counts, in dB; see `descriptors.floor_of`.

    Returns
    -------
    ndarray[int64], shape [seconds]
        General MIDI programs; -1 where nothing is heard.
    """
    seconds, heard = _seconds(sound, floor)
    if not len(seconds):
        return np.zeros(0, int)
    return np.where(heard, classifier.predict(seconds), SILENT)


def _seconds(sound: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """The features of each second, and whether anything is heard in it."""
    mel = descriptors.mel_spectrogram(sound, floor)
    seconds = descriptors.textures(mel, SECONDS)
    size = mel.shape[1] // max(len(seconds), 1)
    heard = mel.max(0)[: len(seconds) * size].reshape(len(seconds), size).max(1) > floor
    return seconds, heard
