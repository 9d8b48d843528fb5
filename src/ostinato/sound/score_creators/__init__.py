"""Score creators: forty frames of numbers, and the five that follow; one file each, found by name.

A score creator draws what follows instead of averaging over it: an average of all that could come
is quieter and duller than any of it, and fades to silence when it is fed back.
"""

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.models import read_model
from ostinato.sound.data.frames import NEXT, PAST

NEAR = 5
"""Frames before the one that is drawn that are seen as they are, besides what was read."""
BLOCKS = 3
"""Residual blocks of the network that draws a frame."""
OCTAVES = 8
"""Of sines and cosines that tell it the time."""
STEPS = 6
"""Steps from noise to a frame."""
JITTER = 0.2
"""Noise on what is seen in training, beside numbers of unit variance, so that a frame that was
drawn a little wrong is no surprise."""
DROPOUT = 0.1


class ScoreCreator(nn.Module):
    """Draws the five frames after forty, one after the other.

    A reader turns the forty frames into features; given these and the frames just before, a network
    moves noise to the next frame. It is trained by flow matching (Lipman et al. 2023): on the
    straight line from noise to the true frame, it learns how to move on.

    Parameters
    ----------
    reader : nn.Module
        From Tensor[B, 40, 2 * size], the past and its differences at unit variance, to
        Tensor[B, reader.features].
    size : int
        Numbers of a frame.
    flow : int
        Width of the network that draws.

    Attributes
    ----------
    mean, spread : Tensor[size]
        Of each number in the training data; to be set before training.
    """

    def __init__(self, reader: nn.Module, size: int, flow: int):
        super().__init__()
        self.reader = reader
        self.size = size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.context = nn.Linear(reader.features + NEAR * size, flow)
        self.number = nn.Parameter(torch.zeros(NEXT, flow))
        self.velocity = Velocity(size, flow)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, windows: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Mean square error of the velocity, in units of the spread.

        Parameters
        ----------
        windows : Tensor[B, 45, size]
            What was, and what came.
        noise : Tensor[n, B, 5, size]
            Normally distributed: where n ways to each frame begin.
        time : Tensor[n, B, 5]
            In [0, 1]: how far along each way to look.
        """
        frames = self._normal(windows)
        seen = frames + JITTER * torch.randn_like(frames) if self.training else frames
        near = seen[:, PAST - NEAR : -1].unfold(1, NEAR, 1).mT.flatten(2)
        features = self._read(seen[:, :PAST])[:, None].expand(-1, NEXT, -1)
        context = self.context(torch.cat([features, near], 2)) + self.number
        true = frames[:, PAST:]
        on_the_way = torch.lerp(noise, true.expand_as(noise), time[..., None])
        error = self.velocity(on_the_way, time, context) - (true - noise)
        return error.square().mean()

    @torch.no_grad()
    def sample(self, past: Tensor, noise: Tensor) -> Tensor:
        """Draw what follows.

        Parameters
        ----------
        past : Tensor[B, 40, size]
        noise : Tensor[B, 5, size]
            Normally distributed.

        Returns
        -------
        Tensor[B, 5, size]
        """
        frames = self._normal(past)
        features = self._read(frames)
        for number in range(NEXT):
            seen = torch.cat([features, frames[:, -NEAR:].flatten(1)], 1)
            context = self.context(seen) + self.number[number]
            frame = self._move(noise[:, number], context)
            frames = torch.cat([frames, frame[:, None]], 1)
        return self.mean + self.spread * frames[:, PAST:]

    def _read(self, past: Tensor) -> Tensor:
        changes = past.diff(dim=1, prepend=past[:, :1])
        return self.dropout(self.reader(torch.cat([past, changes], 2)))

    def _move(self, place: Tensor, context: Tensor) -> Tensor:
        """From noise to a frame, by the midpoint method: Tensor[B, size] each."""
        step = 1 / STEPS
        for begin in torch.arange(STEPS) * step:
            time = begin.expand(len(place))
            middle = place + step / 2 * self.velocity(place, time, context)
            place = place + step * self.velocity(middle, time + step / 2, context)
        return place

    def _normal(self, frames: Tensor) -> Tensor:
        return (frames - self.mean) / self.spread


class Velocity(nn.Module):
    """How to move from noise towards a frame.

    Residual blocks, which the time scales, shifts and weighs (Peebles and Xie 2023).

    Parameters
    ----------
    size : int
        Numbers of a frame.
    width : int
        Of the blocks.
    """

    def __init__(self, size: int, width: int):
        super().__init__()
        self.enter = nn.Linear(size, width, bias=False)
        self.clock = nn.Sequential(
            nn.Linear(2 * OCTAVES, 64), nn.SiLU(), nn.Linear(64, 3 * BLOCKS * width)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(width, width)
            )
            for _ in range(BLOCKS)
        )
        self.leave = nn.Linear(width, size)
        nn.init.zeros_(self.leave.weight)

    def forward(self, place: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Tensor[..., size], Tensor[...] in [0, 1] and Tensor[..., width] to Tensor[..., size]."""
        angles = time[..., None] * (math.pi / 2 * 2 ** torch.arange(OCTAVES))
        clock = self.clock(torch.cat([angles.sin(), angles.cos()], -1))
        hidden = self.enter(place) + context
        for block, modulation in zip(self.blocks, clock.chunk(BLOCKS, -1), strict=True):
            shift, scale, weight = modulation.chunk(3, -1)
            hidden = hidden + weight * block(self.norm(hidden) * (1 + scale) + shift)
        return self.leave(hidden)


def build(config: dict[str, Any], size: int) -> ScoreCreator:
    """Build the score creator that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.
    size : int
        Numbers of a frame.
    """
    module = import_module(f"ostinato.sound.score_creators.{config['name']}")
    params = module.Params(**{key: value for key, value in config.items() if key != "name"})
    return ScoreCreator(module.Reader(2 * size, params), size, params.flow)


def load(folder: Path) -> ScoreCreator:
    """Build a trained score creator from its folder."""
    config, weights = read_model(folder)
    model = build(config["score_creator"], config["size"])
    model.load_state_dict(weights)
    return model.eval()
