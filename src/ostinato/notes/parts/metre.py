"""Metre: what a step's place in its bar, and the bar's place in its piece, tell a generator."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.notes.data.positions import BAR, BEAT, END, LEFT, NUMBER, PICKUP, PLACE

HARMONICS, BEAT_HARMONICS, PICKUP_HARMONICS = 8, 2, 4
"""Numbers of sines and cosines that describe a place in the bar, in the beat, and in a bar that
begins where the piece does."""

LONG = 16
"""Lengths of bars are divided by this number of steps."""

FROM_BEGINNING = 0, 1, 2, 3, 7
"""Classes of the number of a bar: the largest number in each class but the last."""

TO_END = 1, 2, 3, 4, 8, 16
"""Classes of the number of bars left, likewise."""

BEATS_TO_END = 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32
"""Classes of the number of beats until the last note has ended, likewise."""

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
        2 * (HARMONICS + BEAT_HARMONICS + PICKUP_HARMONICS)
        + len((BAR, BEAT))
        + len((*FROM_BEGINNING, *TO_END, *BEATS_TO_END))
        + 3  # and the last class of each
        + BITS
    )

    def __init__(self):
        super().__init__()
        self.register_buffer("from_beginning", torch.tensor(FROM_BEGINNING), persistent=False)
        self.register_buffer("to_end", torch.tensor(TO_END), persistent=False)
        self.register_buffer("beats_to_end", torch.tensor(BEATS_TO_END), persistent=False)

    def forward(self, positions: Tensor, dtype: torch.dtype) -> Tensor:
        """Turn positions into features.

        Parameters
        ----------
        positions : Tensor[B, T, 10] of int64
            See `ostinato.notes.data.positions`.
        dtype : torch.dtype
            Type of the result.

        Returns
        -------
        Tensor[B, T, M]
        """
        columns = PLACE, BAR, BEAT, NUMBER, LEFT, PICKUP, END
        place, bar, beat, number, left, pickup, end = (
            positions[..., column].contiguous() for column in columns
        )
        angles = torch.cat(
            [
                _angles(place / bar, HARMONICS),
                _angles(place / beat, BEAT_HARMONICS),
                _angles((place - pickup) / bar, PICKUP_HARMONICS),
            ],
            -1,
        )
        bits = torch.arange(BITS, device=number.device)
        numbers = [
            angles.cos(),
            angles.sin(),
            torch.stack([bar, beat], -1) / LONG,
            _class_of(number, self.from_beginning),
            _class_of(left, self.to_end),
            _class_of((end + beat - 1) // beat, self.beats_to_end),
            number[..., None] >> bits & 1,
        ]
        return torch.cat([each.to(dtype) for each in numbers], -1)


def _class_of(number: Tensor, largest: Tensor) -> Tensor:
    return functional.one_hot(torch.bucketize(number, largest), len(largest) + 1)


def _angles(share: Tensor, harmonics: int) -> Tensor:
    return 2 * math.pi * share[..., None] * torch.arange(1, harmonics + 1, device=share.device)
