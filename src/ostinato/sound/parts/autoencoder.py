"""The base class of autoencoders: sound in, 512 numbers per quarter of a second, and sound out."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ostinato.core.models import build, load_weights, read_model

PACKAGE = "ostinato.sound.autoencoders"

SIZE = 512
"""Numbers per frame."""
PART = 240
"""Frames that are encoded or decoded at a time: one minute."""


class Autoencoder(nn.Module):
    """Base class of autoencoders.

    A frame is `ostinato.sound.data.sound.FRAME` samples of both channels. Samples lie in [-1, 1].

    Attributes
    ----------
    content : int
        How many numbers of a frame, from the first on, are its content: they describe what sounds.
        The others, its details, only refine it.
    overlap : int
        To compute n frames, n * FRAME + overlap samples are needed.
    """

    content = SIZE
    overlap = 0

    def start(self, samples: Tensor) -> None:
        """Initialise the weights from sound, before training.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + overlap]
            Sound for training.
        """
        raise NotImplementedError

    def finish(self, samples: Tensor) -> None:
        """Measure what can only be measured after training; by default, nothing.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + overlap]
            Sound for training.
        """

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the training loss.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + overlap]

        Returns
        -------
        Tensor[]
            In dB.
        """
        raise NotImplementedError

    def encode(self, samples: Tensor) -> Tensor:
        """Turn sound into numbers.

        Parameters
        ----------
        samples : Tensor[2, S]
            Silence is added to fill the last frame.

        Returns
        -------
        Tensor[ceil((S + overlap) / FRAME), 512]
        """
        raise NotImplementedError

    def decode(self, numbers: Tensor) -> Tensor:
        """Turn numbers into sound, the same sound for the same numbers.

        Parameters
        ----------
        numbers : Tensor[frames, 512]

        Returns
        -------
        Tensor[2, frames * FRAME - overlap]
        """
        return torch.cat(list(self.decode_parts([numbers])), 1)

    def decode_parts(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Turn numbers into sound, a part at a time.

        Parameters
        ----------
        parts : iterable of Tensor[n, 512]
            The numbers, in parts of any length. They are asked for when they are needed.

        Yields
        ------
        Tensor[2, m]
            The sound as `decode` returns it, in parts of a minute at most.
        """
        raise NotImplementedError

    def complete(self, content: Tensor, begun: Tensor) -> Iterator[Tensor]:
        """Find the details of a sound and its continuation; by default, there are none.

        Parameters
        ----------
        content : Tensor[frames, content]
            The content of the sound, then that of its continuation.
        begun : Tensor[2, n * FRAME]
            The sound, at most 240 frames.

        Yields
        ------
        Tensor[n, 512]
            The numbers of all frames, a minute at a time.
        """
        yield content


def load(folder: Path) -> Autoencoder:
    """Load a trained autoencoder from its folder, in evaluation mode."""
    config, weights = read_model(folder)
    model = build(PACKAGE, config["autoencoder"])
    load_weights(model, weights, folder)
    return model.eval()
