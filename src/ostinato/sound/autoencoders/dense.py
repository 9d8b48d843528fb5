"""The autoencoder with one hidden layer: from 22,050 samples to 512 numbers and back."""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ostinato.core.schema import Schema
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.autoencoder import PART, SIZE, Autoencoder
from ostinato.sound.parts.principal import principal_axes

UNIT = 1 / math.sqrt(CHANNELS * FRAME)
"""The typical size of a weight. Weights are stored in this unit, so that a step of the optimiser is
small compared with them."""


class Params(Schema):
    """It has no parameters: all its sizes are fixed."""


class Model(Autoencoder):
    """Encodes each frame by itself, both channels together; all 512 numbers are content.

    The hidden layer is linear. The best weights of such a network are the principal components of
    the frames (Baldi and Hornik 1989), so training starts from these.
    """

    def __init__(self, params: Params):
        super().__init__()
        self.encoder = nn.Linear(CHANNELS * FRAME, SIZE)
        self.decoder = nn.Linear(SIZE, CHANNELS * FRAME)

    @torch.no_grad()
    def start(self, samples: Tensor) -> None:
        """Set the weights to the principal components of the frames."""
        frames = _frames(samples).flatten(0, 1)
        mean, axes = principal_axes(frames, SIZE)
        self.encoder.weight.copy_(axes.T / UNIT)
        self.encoder.bias.copy_(-mean @ axes / UNIT)
        self.decoder.weight.copy_(axes / UNIT)
        self.decoder.bias.copy_(mean / UNIT)

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the energy of the error relative to that of the sound, in dB."""
        frames = _frames(samples)
        error = self._out(self._in(frames)) - frames
        return 10 * torch.log10(error.square().sum() / frames.square().sum().clamp_min(1e-9))

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Turn sound into the values of the hidden layer."""
        missing = -samples.shape[1] % FRAME
        return self._in(_frames(nn.functional.pad(samples, (0, missing))[None])[0])

    @torch.no_grad()
    def decode_parts(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Turn the values of the hidden layer into sound."""
        for numbers in parts:
            for some in numbers.split(PART):
                frames = self._out(some).view(-1, CHANNELS, FRAME)
                yield frames.transpose(0, 1).flatten(1)

    def _in(self, frames: Tensor) -> Tensor:
        return self.encoder(frames) * UNIT

    def _out(self, numbers: Tensor) -> Tensor:
        return self.decoder(numbers) * UNIT


def _frames(samples: Tensor) -> Tensor:
    """Tensor[B, 2, frames * FRAME] to Tensor[B, frames, 2 * FRAME]."""
    return samples.unflatten(2, (-1, FRAME)).transpose(1, 2).flatten(2)
