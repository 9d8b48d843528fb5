"""The data on which generator, decoder and velocity model are trained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from ostinato.notes.data.fragments import Batches
from ostinato.notes.data.songs import Songs


@dataclass(frozen=True)
class Data:
    """A dataset and its table of training fragments.

    Attributes
    ----------
    dataset, fragments : Path
        The folders that the stages dataset and augment write.
    representation : str
        As for `Songs`.
    steps : int
        T, length of a fragment.
    velocities : bool
        Whether to read velocities instead of 0 and 1.
    """

    dataset: Path
    fragments: Path
    representation: str
    steps: int
    velocities: bool = False

    @cached_property
    def songs(self) -> Songs:
        """The dataset."""
        return Songs(self.dataset, self.representation, self.velocities)

    @property
    def inputs(self) -> list[Path]:
        """The files that training reads."""
        return [self.dataset / "notes.npy", self.dataset / "songs.csv", self._table]

    def batches(
        self,
        size: int,
        past: int,
        keys: int,
        seed: int,
        annotate: Callable[[Tensor], Tensor | None] = lambda song: None,
    ) -> Batches:
        """Make the training batches; parameters are as for `Batches`."""
        table = np.load(self._table)
        return Batches(self.songs, table, size, self.steps, past, keys, seed, annotate)

    @property
    def _table(self) -> Path:
        return self.fragments / "fragments.npy"
