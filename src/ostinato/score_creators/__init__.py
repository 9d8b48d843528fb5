"""Score creators: forty frames of numbers, and the five that follow; one file each, found by name.

A score creator draws what follows instead of averaging over it: an average of all that could come
is quieter and duller than any of it, and fades to silence when it is fed back.
"""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

PAST, NEXT = 40, 5
"""Frames that are read (10 s), and frames that are written (1.25 s)."""
NOISE = 64
"""Random numbers that decide a draw."""
JITTER = 0.2
"""Noise on the past in training, beside numbers of unit variance, against learning it by heart."""
DROPOUT = 0.3


class ScoreCreator(nn.Module):
    """Draws the five frames after forty.

    Trained on the energy score (Gneiting and Raftery 2007), E|X - y| - E|X - X'| / 2 for two draws
    X, X' and the truth y: no other distribution has a lower expectation than the true one, and for
    something that always draws the same it is plain distance.

    Parameters
    ----------
    reader : nn.Module
        From Tensor[B, 40, 2 * size], the past and its differences at unit variance, to
        Tensor[B, reader.features].
    size : int
        Numbers of a frame.

    Attributes
    ----------
    mean, spread : Tensor[size]
        Of each number in the training data; to be set before training.
    """

    def __init__(self, reader: nn.Module, size: int):
        super().__init__()
        self.reader = reader
        self.size = size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        # Each number by itself, from its own past.
        self.own = nn.Parameter(torch.zeros(PAST, NEXT, size))
        self.mix = nn.Linear(reader.features + NOISE, 2 * reader.features)
        self.out = nn.Linear(2 * reader.features, NEXT * size)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, windows: Tensor, noise: Tensor) -> Tensor:
        """Energy score of the five frames, mean over windows.

        Parameters
        ----------
        windows : Tensor[B, 45, size]
            What was, and what came.
        noise : Tensor[2, B, 64]
            Normally distributed, for two draws.
        """
        past, true = windows.split([PAST, NEXT], 1)
        if self.training:
            past = past + JITTER * self.spread * torch.randn_like(past)
        features = self._read(past)
        one, other = (self._draw(past, features, part) for part in noise)
        to_truth = (distance(one, true) + distance(other, true)) / 2
        return (to_truth - distance(one, other) / 2).mean()

    @torch.no_grad()
    def sample(self, past: Tensor, noise: Tensor) -> Tensor:
        """Draw what follows.

        Parameters
        ----------
        past : Tensor[B, 40, size]
        noise : Tensor[B, 64]
            Normally distributed.

        Returns
        -------
        Tensor[B, 5, size]
        """
        return self._draw(past, self._read(past), noise)

    def _read(self, past: Tensor) -> Tensor:
        past = self._normal(past)
        changes = past.diff(dim=1, prepend=past[:, :1])
        return self.reader(self.dropout(torch.cat([past, changes], 2)))

    def _draw(self, past: Tensor, features: Tensor, noise: Tensor) -> Tensor:
        mixed = nn.functional.gelu(self.mix(torch.cat([self.dropout(features), noise], 1)))
        going_on = torch.einsum("bts,tns->bns", self._normal(past), self.own)
        change = self.out(mixed).unflatten(1, (NEXT, self.size))
        return self.mean + self.spread * (going_on + change)

    def _normal(self, frames: Tensor) -> Tensor:
        return (frames - self.mean) / self.spread


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Distance of frames, root of the mean over the five: Tensor[..., 5, size] to Tensor[...]."""
    return (one - other).square().sum(-1).mean(-1).sqrt()


def build(config: dict[str, Any], size: int) -> ScoreCreator:
    """Build the score creator that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.
    size : int
        Numbers of a frame.
    """
    module = import_module(f"ostinato.score_creators.{config['name']}")
    params = module.Params(**{key: value for key, value in config.items() if key != "name"})
    return ScoreCreator(module.Reader(2 * size, params), size)
