"""Random crops of sound, for training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.sound.data.sound import Sounds


class Crops:
    """All crops of one length from some of the pieces.

    Parameters
    ----------
    sounds : Sounds
        The collection.
    pieces : sequence of int
        The indices of the pieces. A piece that is shorter than a crop is padded with silence.
    samples : int
        The length of a crop.
    """

    def __init__(self, sounds: Sounds, pieces: Sequence[int], samples: int):
        self.sounds = sounds
        self.pieces = np.array(pieces)
        self.samples = samples
        lengths = sounds.samples[self.pieces]
        self._ends = np.cumsum(np.where(lengths > samples, lengths - samples, lengths))

    def draw(self, count: int, seed: int) -> Tensor:
        """Draw crops: all positions are equally likely; a short piece counts by its length.

        Returns
        -------
        Tensor[count, 2, samples] of float32
        """
        places = np.random.default_rng(seed).integers(self._ends[-1], size=count)
        return torch.stack([self._at(place) for place in places])

    def _at(self, place: int) -> Tensor:
        which = np.searchsorted(self._ends, place, side="right")
        piece = int(self.pieces[which])
        length = int(self.sounds.samples[piece])
        first = int(place - (self._ends[which - 1] if which else 0)) if length > self.samples else 0
        there = min(self.samples, length - first)
        part = torch.from_numpy(self.sounds.piece(piece, first, there))
        return nn.functional.pad(part, (0, self.samples - there))
