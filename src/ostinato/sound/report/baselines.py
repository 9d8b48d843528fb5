"""Baselines for an autoencoder: other ways to represent a frame by 512 numbers."""

from collections.abc import Callable

import numpy as np
import scipy.fft
import torch

from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.autoencoder import SIZE
from ostinato.sound.parts.principal import principal_axes

Codec = Callable[[np.ndarray], np.ndarray]
"""From sound in complete frames, ndarray[float32] of shape [2, samples], to the same sound after
encoding and decoding."""


def principal_components(training: torch.Tensor) -> Codec:
    """Fit the best linear autoencoder: 512 principal components of frames.

    Parameters
    ----------
    training : Tensor[N, 2, FRAME]
        The frames to fit it to. If N is less than 512, there are N components.
    """
    mean, axes = principal_axes(training.flatten(1), SIZE)

    def codec(sound: np.ndarray) -> np.ndarray:
        frames = torch.from_numpy(_frames(sound)).flatten(1)
        kept = (frames - mean) @ axes @ axes.T + mean
        return _sound(kept.view(-1, CHANNELS, FRAME).numpy())

    return codec


def largest_cosines(sound: np.ndarray) -> np.ndarray:
    """Keep the 512 largest of all coefficients of a frame's discrete cosine transforms.

    Each channel has a transform of its own. The positions of the coefficients are not counted.

    Parameters
    ----------
    sound : ndarray[float32], shape [2, samples]
        Complete frames.
    """
    frames = _frames(sound)
    coefficients = scipy.fft.dct(frames, norm="ortho", axis=2).reshape(len(frames), -1)
    small = np.argpartition(-np.abs(coefficients), SIZE, axis=1)[:, SIZE:]
    np.put_along_axis(coefficients, small, 0, axis=1)
    return _sound(scipy.fft.idct(coefficients.reshape(frames.shape), norm="ortho", axis=2))


def _frames(sound: np.ndarray) -> np.ndarray:
    """ndarray, shape [2, n * FRAME], to shape [n, 2, FRAME]."""
    return np.ascontiguousarray(sound.reshape(CHANNELS, -1, FRAME).swapaxes(0, 1))


def _sound(frames: np.ndarray) -> np.ndarray:
    return frames.swapaxes(0, 1).reshape(CHANNELS, -1)
