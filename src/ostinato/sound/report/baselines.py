"""What an autoencoder of 512 numbers a frame has to be compared with."""

from collections.abc import Callable

import numpy as np
import scipy.fft
import torch

from ostinato.sound.autoencoders import SIZE
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.principal import principal_axes

Codec = Callable[[np.ndarray], np.ndarray]
"""From sound of whole frames, ndarray[float32] of shape [2, samples], to what is left of it after
encoding and decoding."""


def principal_components(training: torch.Tensor) -> Codec:
    """The best that a linear autoencoder can do: 512 principal components of frames.

    Parameters
    ----------
    training : Tensor[N, 2, FRAME]
        Frames to fit it to; with fewer than 512 there are as many components.
    """
    mean, axes = principal_axes(training.flatten(1), SIZE)

    def codec(sound: np.ndarray) -> np.ndarray:
        frames = torch.from_numpy(_frames(sound)).flatten(1)
        kept = (frames - mean) @ axes @ axes.T + mean
        return _sound(kept.view(-1, CHANNELS, FRAME).numpy())

    return codec


def largest_cosines(sound: np.ndarray) -> np.ndarray:
    """The 512 largest coefficients of each frame's discrete cosine transform, channel by channel.

    Which ones they are is not counted.

    Parameters
    ----------
    sound : ndarray[float32], shape [2, samples]
        Whole frames.
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
