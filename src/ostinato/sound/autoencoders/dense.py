"""The autoencoder of one hidden layer: 22,050 samples, 512 numbers, 22,050 samples."""

import math

import torch
from torch import Tensor, nn

from ostinato.core.schema import Schema
from ostinato.sound.autoencoders import SIZE
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.principal import principal_axes

UNIT = 1 / math.sqrt(CHANNELS * FRAME)
"""Typical size of a weight. Weights are kept in this unit, so that a step of the optimiser is small
beside them."""


class Params(Schema):
    """It has none: its size is that of a frame."""


class Autoencoder(nn.Module):
    """Each frame by itself, left and right together, through 512 numbers.

    The hidden layer is linear. Such a network's best weights are the principal components of the
    frames (Baldi and Hornik 1989), so that is where it starts.

    Attributes
    ----------
    content : int
        How many numbers of a frame, from the first on, say what sounds: all.
    overlap : int
        Samples that its training crops need beyond whole frames: none.
    """

    content = SIZE
    overlap = 0

    def __init__(self, params: Params):
        super().__init__()
        self.encoder = nn.Linear(CHANNELS * FRAME, SIZE)
        self.decoder = nn.Linear(SIZE, CHANNELS * FRAME)

    @torch.no_grad()
    def start(self, samples: Tensor) -> None:
        """Set the weights to the principal components of sound.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME]
            Sound for training.
        """
        frames = _frames(samples).flatten(0, 1)
        mean, axes = principal_axes(frames, SIZE)
        self.encoder.weight.copy_(axes.T / UNIT)
        self.encoder.bias.copy_(-mean @ axes / UNIT)
        self.decoder.weight.copy_(axes / UNIT)
        self.decoder.bias.copy_(mean / UNIT)

    def finish(self, samples: Tensor) -> None:
        """After training there is nothing left to do."""

    def forward(self, samples: Tensor) -> Tensor:
        """Error of the reconstruction in dB below the sound.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME]
            In [-1, 1].
        """
        frames = _frames(samples)
        error = self._out(self._in(frames)) - frames
        return 10 * torch.log10(error.square().sum() / frames.square().sum().clamp_min(1e-9))

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Turn sound into numbers.

        Parameters
        ----------
        samples : Tensor[2, S]
            In [-1, 1]; silence is added up to a whole frame.

        Returns
        -------
        Tensor[ceil(S / FRAME), 512]
        """
        missing = -samples.shape[1] % FRAME
        return self._in(_frames(nn.functional.pad(samples, (0, missing))[None])[0])

    @torch.no_grad()
    def decode(self, numbers: Tensor) -> Tensor:
        """Turn numbers into sound.

        Parameters
        ----------
        numbers : Tensor[frames, 512]

        Returns
        -------
        Tensor[2, frames * FRAME]
        """
        frames = self._out(numbers).view(-1, CHANNELS, FRAME)
        return frames.transpose(0, 1).flatten(1)

    def complete(self, content: Tensor, begun: Tensor) -> Tensor:
        """Add what the content leaves open: nothing.

        Parameters
        ----------
        content : Tensor[frames, 512]
            Of a sound and of what follows.
        begun : Tensor[2, n * FRAME]
            The sound.
        """
        return content

    def _in(self, frames: Tensor) -> Tensor:
        return self.encoder(frames) * UNIT

    def _out(self, numbers: Tensor) -> Tensor:
        return self.decoder(numbers) * UNIT


def _frames(samples: Tensor) -> Tensor:
    """Tensor[B, 2, frames * FRAME] to Tensor[B, frames, 2 * FRAME]."""
    return samples.unflatten(2, (-1, FRAME)).transpose(1, 2).flatten(2)
