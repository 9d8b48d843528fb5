"""Metre: what a step's place in its bar, and the bar's place in its piece, tell a generator."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.notes.data.positions import BAR, BEAT, LEFT, NUMBER, PLACE

HARMONICS, BEAT_HARMONICS = 8, 2
"""Numbers of sines and cosines that describe a place in the bar, and in the beat."""

LONG = 16
"""Lengths of bars are divided by this number of steps."""

FROM_BEGINNING = 0, 1, 2, 3, 7
"""Classes of the number of a bar: the largest number in each class but the last."""

TO_END = 1, 2, 3, 4, 8, 16
"""Classes of the number of bars left, likewise."""

BITS = 3
"""The number of a bar modulo 8 is also given in binary: phrases often have as many bars."""


class Metre(nn.Module):
    """Features of the metre; it has no weights.

    Attributes
    ----------
    num_features : int
        M, number of features per step.
    """

    num_features = (
        2 * (HARMONICS + BEAT_HARMONICS) + 2 + len(FROM_BEGINNING) + len(TO_END) + 2 + BITS
    )

    def __init__(self):
        super().__init__()
        for name, classes in (("from_beginning", FROM_BEGINNING), ("to_end", TO_END)):
            self.register_buffer(name, torch.tensor(classes), persistent=False)

    def forward(self, positions: Tensor, dtype: torch.dtype) -> Tensor:
        """Turn positions into features.

        Parameters
        ----------
        positions : Tensor[B, T, 6] of int64
            See `ostinato.notes.data.positions`.
        dtype : torch.dtype
            Type of the result.

        Returns
        -------
        Tensor[B, T, M]
        """
        place, bar, beat, number, left = (
            positions[..., column].contiguous() for column in (PLACE, BAR, BEAT, NUMBER, LEFT)
        )
        both = _angles(place / bar, HARMONICS), _angles(place / beat, BEAT_HARMONICS)
        angles = torch.cat(both, -1)
        bits = torch.arange(BITS, device=number.device)
        numbers = [
            angles.cos(),
            angles.sin(),
            torch.stack([bar, beat], -1) / LONG,
            _class_of(number, self.from_beginning),
            _class_of(left, self.to_end),
            number[..., None] >> bits & 1,
        ]
        return torch.cat([each.to(dtype) for each in numbers], -1)


def _class_of(number: Tensor, largest: Tensor) -> Tensor:
    return functional.one_hot(torch.bucketize(number, largest), len(largest) + 1)


def _angles(share: Tensor, harmonics: int) -> Tensor:
    return 2 * math.pi * share[..., None] * torch.arange(1, harmonics + 1, device=share.device)
