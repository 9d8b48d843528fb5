"""The numbers of an autoencoder as bits: uniform steps, and the code length under a simple model.

No bits are written: an arithmetic coder with the same model would write as many, to within a few
bytes a piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ostinato.scores.wav import RATE
from ostinato.sound.parts.autoencoder import Autoencoder

CONTENT_STEP = 0.5
"""The step of the content, which is scaled in dB."""
GROUP = 32
"""How many details are measured together: neighbours in their order are about equally loud."""
FINEST, COARSEST, HALVINGS = 1e-4, 1e2, 30
"""Bounds of the step of the loudest details, and how often the interval between them is halved."""


@dataclass(frozen=True)
class Coder:
    """Rounds the numbers of an autoencoder to multiples of steps, and measures their code.

    The content is rounded first, and the details are those that belong to the rounded content. All
    integers are coded under discrete Laplace distributions, a fixed one for each of the numbers of
    a frame. Those of the content are predicted linearly from the frame before.

    Attributes
    ----------
    model : Autoencoder
    mean, slope : ndarray[float64], shape [content]
        The mean of each number of the content, in steps, and what remains of the distance from it
        in the next frame.
    content_size, detail_size : ndarray[float64], shapes [content] and [details]
        Mean absolute values of what is coded, which determine the distributions.
    steps : ndarray[float64], shape [details]
        The step of each detail.
    """

    model: Autoencoder
    mean: np.ndarray
    slope: np.ndarray
    content_size: np.ndarray
    detail_size: np.ndarray
    steps: np.ndarray

    def code(self, sound: np.ndarray) -> tuple[np.ndarray, float]:
        """Code a sound.

        Parameters
        ----------
        sound : ndarray[float32], shape [2, frames * FRAME]
            Fewer than 240 frames.

        Returns
        -------
        ndarray[float32], shape [2, frames * FRAME]
            What is decoded from the integers.
        float
            The length of their code in bits.
        """
        content = _content(self.model, sound)
        details = np.round(_details(self.model, sound, content) / self.steps)
        unpredicted = _unpredicted(content, self.mean, self.slope)
        length = code_length(unpredicted, self.content_size) + code_length(
            details, self.detail_size
        )
        return _decode(self.model, sound, content, details * self.steps), length


def fit(model: Autoencoder, sounds: Sequence[np.ndarray], rate: float) -> Coder:
    """Fit a coder to sound for training.

    An error of one step is about equally loud in all details, so that their steps are the smaller,
    the more of the sound they carry. Of softer details, hardly any but zeros remain at low rates.

    Parameters
    ----------
    model : Autoencoder
        Trained.
    sounds : sequence of ndarray[float32], shape [2, frames * FRAME]
        Fewer than 240 frames each.
    rate : float
        Bits a second of the code of these sounds; the steps of details are chosen accordingly.

    Returns
    -------
    Coder
    """
    contents = [_content(model, sound) for sound in sounds]
    mean = np.concatenate(contents).mean(0)
    before = np.concatenate([content[:-1] for content in contents]) - mean
    after = np.concatenate([content[1:] for content in contents]) - mean
    slope = (before * after).sum(0) / np.square(before).sum(0).clip(1e-9)
    unpredicted = np.concatenate([_unpredicted(content, mean, slope) for content in contents])
    content_size = _size(unpredicted)

    details = [_details(model, *both) for both in zip(sounds, contents, strict=True)]
    units = _units(model, sounds, contents, details)
    every = np.concatenate(details)
    budget = rate * sum(sound.shape[1] for sound in sounds) / RATE
    budget -= code_length(unpredicted, content_size)
    finest, coarsest = FINEST, COARSEST
    for _ in range(HALVINGS):
        steps = np.sqrt(finest * coarsest) * units
        rounded = np.round(every / steps)
        size = _size(rounded)
        if code_length(rounded, size) > budget:
            finest = steps[0] / units[0]
        else:
            coarsest = steps[0] / units[0]
    return Coder(model, mean, slope, content_size, size, steps)


def code_length(integers: np.ndarray, size: np.ndarray) -> float:
    """Compute the code length of integers under discrete Laplace distributions.

    Parameters
    ----------
    integers : ndarray, shape [n, numbers]
    size : ndarray[float64], shape [numbers]
        The mean absolute value of each distribution, more than 0.

    Returns
    -------
    float
        In bits.
    """
    ratio = (np.sqrt(1 + np.square(size)) - 1) / size  # of one probability to the next
    zero = np.log2((1 + ratio) / (1 - ratio))
    return float((zero - np.abs(integers) * np.log2(ratio)).sum())


def _size(integers: np.ndarray) -> np.ndarray:
    """The mean absolute values of integers; 0, where it may not be so in other sound, is raised."""
    return (np.abs(integers).sum(0) + 0.5) / (len(integers) + 1)


def _content(model: Autoencoder, sound: np.ndarray) -> np.ndarray:
    """The rounded content of each frame, in steps: ndarray[float64], shape [frames, content]."""
    numbers = model.encode(torch.from_numpy(sound))[:, : model.content]
    return np.round(numbers.double().numpy() / CONTENT_STEP)


def _unpredicted(content: np.ndarray, mean: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """What is coded of the content: its difference from what the frame before lets expect."""
    before = np.concatenate([mean[None], content[:-1]])
    return content - np.round(mean + slope * (before - mean))


def _details(model: Autoencoder, sound: np.ndarray, content: np.ndarray) -> np.ndarray:
    """The details that belong to rounded content: ndarray[float64], shape [frames, details]."""
    rounded = torch.from_numpy(content * CONTENT_STEP).float()
    numbers = torch.cat(list(model.complete(rounded, torch.from_numpy(sound))))
    return numbers[:, model.content :].double().numpy()


def _decode(
    model: Autoencoder, sound: np.ndarray, content: np.ndarray, details: np.ndarray
) -> np.ndarray:
    numbers = np.concatenate([content * CONTENT_STEP, details], 1)
    return model.decode(torch.from_numpy(numbers).float())[:, : sound.shape[1]].numpy()


def _units(
    model: Autoencoder,
    sounds: Sequence[np.ndarray],
    contents: Sequence[np.ndarray],
    details: Sequence[np.ndarray],
) -> np.ndarray:
    """Steps that are equally loud in the sound, in units of the first: ndarray, shape [details]."""
    count = details[0].shape[1]
    energy = np.zeros(count)
    for sound, content, detail in zip(sounds, contents, details, strict=True):
        kept = np.zeros_like(detail)
        without = _decode(model, sound, content, kept)
        for first in range(0, count, GROUP):
            group = slice(first, first + GROUP)
            kept[:, group] = detail[:, group]
            sounding = _decode(model, sound, content, kept)
            size = np.square(detail[:, group]).sum().clip(1e-9)
            energy[group] += np.square(sounding - without, dtype=np.float64).sum() / size
            without = sounding
    return np.sqrt(energy[0] / energy)
