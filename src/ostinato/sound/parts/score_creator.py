"""The base class of score creators, which read forty frames and draw the five that follow.

A score creator draws samples instead of predicting the mean. The mean of all possible continuations
is quieter and duller than any of them, and fades to silence when it is fed back.
"""

import math
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core.models import build, load_weights, read_model
from ostinato.core.schema import Positive, Schema, Share
from ostinato.sound.data.frames import NEXT, PAST

PACKAGE = "ostinato.sound.score_creators"

OCTAVES = 8
"""The number of frequencies, an octave apart, of the sines and cosines that encode the time."""


class Params(Schema):
    """The parameters of all score creators.

    Attributes
    ----------
    near : int
        How many frames just before the drawn one the velocity field sees directly, besides the
        features of all forty.
    flow : int
        The width of the velocity field.
    blocks : int
        The number of its residual blocks.
    flow_steps : int
        Integration steps from noise to a frame.
    jitter : float
        Standard deviation of the noise added to input frames in training. These are normalised to
        unit variance. With the noise, the model learns to tolerate small errors in drawn frames.
    dropout : float
        Dropout of the features and inside the blocks.
    """

    near: Annotated[int, Field(ge=1, le=PAST)]
    flow: Positive
    blocks: Positive
    flow_steps: Positive
    jitter: Annotated[float, Field(ge=0)]
    dropout: Share


class ScoreCreator(nn.Module):
    """Draws the five frames after forty, one after the other.

    A reader turns the forty frames into features. Given these and the frames just before, a
    velocity field moves noise to the next frame. It is trained by flow matching (Lipman et al.
    2023): at points on the straight line from noise to the true frame, it learns the direction of
    that line.

    A score creator is a file with three classes: ``Params``, the schema of its parameters;
    ``Reader(inputs, params)``, a module from Tensor[B, 40, inputs] to Tensor[B, reader.features];
    and ``Model``, which derives from this class and names the reader.

    Parameters
    ----------
    size : int
        Numbers per frame. The reader has twice as many inputs: the normalised past frames and
        their differences.
    params : Params

    Attributes
    ----------
    mean, spread : Tensor[size]
        Mean and standard deviation of each number in the training data; to be set before training.
    """

    reader_class: type[nn.Module]

    def __init__(self, size: int, params: Params):
        super().__init__()
        self.reader = self.reader_class(2 * size, params)
        self.size = size
        self.near, self.steps, self.jitter = params.near, params.flow_steps, params.jitter
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.context = nn.Linear(self.reader.features + params.near * size, params.flow)
        self.position = nn.Parameter(torch.zeros(NEXT, params.flow))
        self.velocity = VelocityField(size, params.flow, params.blocks, params.dropout)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, windows: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Compute the mean squared error of the velocity of normalised frames.

        Parameters
        ----------
        windows : Tensor[B, 45, size]
            The past, and the five frames that followed.
        noise : Tensor[n, B, 5, size]
            Standard normal: n noise samples for each frame.
        time : Tensor[n, B, 5]
            In [0, 1]: the position on the line from each noise sample to the frame.

        Returns
        -------
        Tensor[]
        """
        frames = self._normalise(windows)
        seen = frames + self.jitter * torch.randn_like(frames) if self.training else frames
        near = seen[:, PAST - self.near : -1].unfold(1, self.near, 1).mT.flatten(2)
        features = self._read(seen[:, :PAST])[:, None].expand(-1, NEXT, -1)
        context = self.context(torch.cat([features, near], 2)) + self.position
        true = frames[:, PAST:]
        point = torch.lerp(noise, true.expand_as(noise), time[..., None])
        error = self.velocity(point, time, context) - (true - noise)
        return error.square().mean()

    @torch.no_grad()
    def sample(self, past: Tensor, noise: Tensor) -> Tensor:
        """Draw the frames that follow.

        Parameters
        ----------
        past : Tensor[B, 40, size]
        noise : Tensor[B, 5, size]
            Standard normal.

        Returns
        -------
        Tensor[B, 5, size]
        """
        frames = self._normalise(past)
        features = self._read(frames)
        for position in range(NEXT):
            seen = torch.cat([features, frames[:, -self.near :].flatten(1)], 1)
            context = self.context(seen) + self.position[position]
            frame = self._integrate(noise[:, position], context)
            frames = torch.cat([frames, frame[:, None]], 1)
        return self.mean + self.spread * frames[:, PAST:]

    def _read(self, past: Tensor) -> Tensor:
        changes = past.diff(dim=1, prepend=past[:, :1])
        return self.dropout(self.reader(torch.cat([past, changes], 2)))

    def _integrate(self, point: Tensor, context: Tensor) -> Tensor:
        """Integrate from noise to a frame with the midpoint method: Tensor[B, size] each."""
        step = 1 / self.steps
        for begin in torch.arange(self.steps, device=point.device, dtype=point.dtype) * step:
            time = begin.expand(len(point))
            middle = point + step / 2 * self.velocity(point, time, context)
            point = point + step * self.velocity(middle, time + step / 2, context)
        return point

    def _normalise(self, frames: Tensor) -> Tensor:
        return (frames - self.mean) / self.spread


class VelocityField(nn.Module):
    """The velocity that moves noise towards a frame.

    A network of residual blocks. The time determines how the input of each block is shifted and
    scaled, and the weight of its output (Peebles and Xie 2023).

    Parameters
    ----------
    size : int
        Numbers per frame.
    width, blocks : int
        The width and the number of the blocks.
    dropout : float
        Dropout inside each block.
    """

    def __init__(self, size: int, width: int, blocks: int, dropout: float):
        super().__init__()
        self.input = nn.Linear(size, width, bias=False)
        self.modulation = nn.Sequential(
            nn.Linear(2 * OCTAVES, 64), nn.SiLU(), nn.Linear(64, 3 * blocks * width)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(blocks)
        )
        self.output = nn.Linear(width, size)
        nn.init.zeros_(self.output.weight)

    def forward(self, point: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Tensor[..., size], Tensor[...] in [0, 1] and Tensor[..., width] to Tensor[..., size]."""
        octaves = torch.arange(OCTAVES, device=time.device)
        angles = time[..., None] * (math.pi / 2 * 2**octaves)
        modulation = self.modulation(torch.cat([angles.sin(), angles.cos()], -1))
        hidden = self.input(point) + context
        for block, part in zip(self.blocks, modulation.chunk(len(self.blocks), -1), strict=True):
            shift, scale, weight = part.chunk(3, -1)
            hidden = hidden + weight * block(self.norm(hidden) * (1 + scale) + shift)
        return self.output(hidden)


def load(folder: Path) -> nn.Module:
    """Load a trained score creator from its folder, in evaluation mode."""
    config, weights = read_model(folder)
    # The number of numbers in a frame, where it draws frames.
    sizes = [config["size"]] if "size" in config else []
    model = build(PACKAGE, config["score_creator"], *sizes)
    load_weights(model, weights, folder)
    return model.eval()
