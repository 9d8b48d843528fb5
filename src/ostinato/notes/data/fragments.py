"""Fragments: windows over the songs, and the batches that models see."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ostinato.core import files
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.songs import Songs

FRAGMENT = np.dtype([("song", "<i4"), ("start", "<i4"), ("shift", "i1")])
"""A training fragment: index of its song, first step, semitones to transpose by."""


@dataclass(frozen=True)
class Batch:
    """Some fragments as tensors.

    Attributes
    ----------
    past : Tensor[B, P, K] of float
        What was played in the P steps before, zeros before the song's beginning.
    notes : Tensor[B, T, K] of float
        1 where a key (or pitch class) is struck or, as `Songs` says, sounds; or its velocity.
    mask : Tensor[B, T] of float
        1 where the song has a step, 0 behind its end.
    start : Tensor[B] of int64
        Number of the first step, counted from the song's beginning.
    """

    past: Tensor
    notes: Tensor
    mask: Tensor
    start: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same on a device."""
        return Batch(*(tensor.to(device) for tensor in vars(self).values()))


def write_table(out: Path, songs: Songs, steps: int, hop: int, shifts: tuple[int, int]) -> None:
    """Write the table of training fragments, ``fragments.npy``.

    Parameters
    ----------
    out : Path
        A folder.
    songs : Songs
        The dataset; its songs for training are taken.
    steps : int
        Length of a fragment.
    hop : int
        Steps from one fragment's start to the next. The last fragment of a song may reach over its
        end, so that every step is trained on; so does the only one of a short song.
    shifts : tuple of int
        Lowest and highest transposition, in semitones. Those that would leave the keyboard are
        left out.
    """
    rows = []
    for song in songs.of("train"):
        count = 1 + max(0, -(-(int(songs.steps[song]) - steps) // hop))
        pitches = songs.song(song)["pitch"].astype(int) - rolls.LOWEST
        lowest = max(shifts[0], -int(pitches.min(initial=rolls.KEYS - 1)))
        highest = min(shifts[1], rolls.KEYS - 1 - int(pitches.max(initial=0)))
        rows += [
            (song, index * hop, shift)
            for index in range(count)
            for shift in range(lowest, highest + 1)
        ]
    files.write_array(out / "fragments.npy", np.array(rows, FRAGMENT))


def window(songs: Songs, rows: np.ndarray, steps: int, past: int, keys: int) -> Batch:
    """Draw windows of songs.

    Parameters
    ----------
    songs : Songs
        The dataset.
    rows : ndarray[FRAGMENT]
        Which windows. On 12 pitch classes a shift rotates; on 88 keys what leaves the keyboard is
        lost.
    steps : int
        T, steps of each.
    past : int
        P, steps before each.
    keys : int
        K: 88, or 12 for pitch classes.

    Returns
    -------
    Batch
    """
    drawn = np.zeros((len(rows), past + steps, keys), np.float32)
    for i, (song, start, shift) in enumerate(rows.tolist()):
        if keys == rolls.KEYS:
            drawn[i] = songs.roll(song, start - past, past + steps, shift)
        else:
            roll = songs.roll(song, start - past, past + steps)
            drawn[i] = np.roll(rolls.pitch_classes(roll), shift, -1)
    end = songs.steps[rows["song"]]
    mask = rows["start"][:, None] + np.arange(steps) < end[:, None]
    tensor = torch.from_numpy(drawn)
    return Batch(
        tensor[:, :past],
        tensor[:, past:],
        torch.from_numpy(mask).float(),
        torch.from_numpy(rows["start"].astype(np.int64)),
    )


def held_out(songs: Songs, split: str, past: int, keys: int, most: int = 16_384) -> Iterator[Batch]:
    """Draw all songs of a split, each from its first step to its last, none transposed.

    Songs of about the same length come together, so that memory does not grow with their number.

    Parameters
    ----------
    songs : Songs
        The dataset.
    split : str
        ``"train"``, ``"valid"`` or ``"test"``.
    past : int
        P, silent steps before each.
    keys : int
        K: 88, or 12 for pitch classes.
    most : int
        Songs times steps of a batch, unless one song alone is longer.

    Yields
    ------
    Batch
        As long as the longest song in it.
    """
    by_length = sorted(songs.of(split), key=lambda song: int(songs.steps[song]))
    while by_length:
        longest = int(songs.steps[by_length[-1]])
        chosen = by_length[-max(1, most // longest) :]
        del by_length[-len(chosen) :]
        rows = np.zeros(len(chosen), FRAGMENT)
        rows["song"] = chosen
        yield window(songs, rows, longest, past, keys)


class Batches:
    """The training batches: each a function of the seed and its number alone.

    Every pass goes through all fragments in an order of its own. A training that is resumed needs
    no more than the number of the next batch.

    Parameters
    ----------
    songs : Songs
        The dataset.
    table : ndarray[FRAGMENT]
        The training fragments with all their shifts. With 12 pitch classes the unshifted rows are
        read, and each is rotated by a shift drawn anew; with 88 keys each fragment is read under
        one of its shifts, drawn anew.
    size : int
        Fragments in a batch.
    steps, past, keys : int
        As for `window`.
    seed : int
        Decides orders and shifts.
    """

    def __init__(
        self,
        songs: Songs,
        table: np.ndarray,
        size: int,
        steps: int,
        past: int,
        keys: int,
        seed: int,
    ):
        self.songs, self.size, self.steps, self.past, self.keys = songs, size, steps, past, keys
        self.seed = seed
        self.rows = table[table["shift"] == 0]
        shifts = np.unique(table["shift"]).astype(int)
        self.shifts = np.arange(shifts.min(), shifts.max() + 1)
        place = table[["song", "start"]]
        first = np.searchsorted(place, self.rows[["song", "start"]])
        self.lowest = table["shift"][first].astype(int)
        self.count = np.diff(np.append(first, len(table)))

    def __call__(self, number: int) -> Batch:
        """Make a batch.

        Parameters
        ----------
        number : int
            Which one, from 0 on.

        Returns
        -------
        Batch
        """
        places = np.arange(number * self.size, (number + 1) * self.size)
        orders = {
            int(epoch): np.random.default_rng(derive(self.seed, "order", int(epoch))).permutation(
                len(self.rows)
            )
            for epoch in np.unique(places // len(self.rows))
        }
        chosen = np.array(
            [orders[p // len(self.rows)][p % len(self.rows)] for p in places.tolist()]
        )
        rows = self.rows[chosen].copy()
        rng = np.random.default_rng(derive(self.seed, "shift", number))
        if self.keys == rolls.KEYS:
            rows["shift"] = self.lowest[chosen] + rng.integers(self.count[chosen])
        else:
            rows["shift"] = rng.choice(self.shifts, len(rows))
        return window(self.songs, rows, self.steps, self.past, self.keys)
