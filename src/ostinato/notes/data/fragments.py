"""Fragments: windows over the songs, and batches of them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ostinato.core import files
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.songs import Songs

FRAGMENT = np.dtype([("song", "<i4"), ("start", "<i4"), ("shift", "i1")])
"""A training fragment: index of its song, first step, semitones to transpose by."""

KNOWN = 2**18
"""Number of steps whose annotations are cached: 200 MB for those of the sampler ``tied``."""


class Batch(NamedTuple):
    """A batch of fragments.

    Attributes
    ----------
    past : Tensor[B, P, K] of float
        The P steps before, with zeros before the beginning of the song.
    notes : Tensor[B, T, K] of float
        The notes, or their velocities, of keys or pitch classes; see `Songs`.
    mask : Tensor[B, T] of float
        1 for the steps of the song, 0 for padding after its end.
    positions : Tensor[B, T, 10] of int64
        Where each step stands in its song; see `ostinato.notes.data.positions`.
    annotation : Tensor[B, T, K, A] or None
        What a sampler has precomputed for these steps; see `Batches`.
    """

    past: Tensor
    notes: Tensor
    mask: Tensor
    positions: Tensor
    annotation: Tensor | None = None

    def to(self, device: torch.device | str) -> "Batch":
        """Copy the batch to a device."""
        return Batch(*(tensor if tensor is None else tensor.to(device) for tensor in self))


def write_table(out: Path, songs: Songs, steps: int, hop: int, shifts: tuple[int, int]) -> None:
    """Write the table of training fragments, ``fragments.npy``.

    Parameters
    ----------
    out : Path
        The folder to write into.
    songs : Songs
        The dataset; only its training songs are used.
    steps : int
        Length of a fragment.
    hop : int
        Number of steps from the start of one fragment to the start of the next. The last fragment
        of a song may extend beyond its end, so that every step is trained on; so may the only
        fragment of a short song.
    shifts : tuple of int
        Lowest and highest transposition, in semitones. Transpositions that would leave the
        keyboard are omitted.
    """
    with files.writing_array(out / "fragments.npy", FRAGMENT) as add:
        for song in songs.of("train"):
            count = 1 + max(0, -(-(int(songs.steps[song]) - steps) // hop))
            pitches = songs.song(song)["pitch"].astype(int) - rolls.LOWEST
            lowest = max(shifts[0], -int(pitches.min(initial=rolls.KEYS - 1)))
            highest = min(shifts[1], rolls.KEYS - 1 - int(pitches.max(initial=0)))
            rows = np.zeros((count, max(0, highest - lowest + 1)), FRAGMENT)
            rows["song"] = song
            rows["start"] = hop * np.arange(count)[:, None]
            rows["shift"] = np.arange(lowest, highest + 1)
            add(rows.ravel())


def window(songs: Songs, rows: np.ndarray, steps: int, past: int, keys: int) -> Batch:
    """Render windows of songs as a batch.

    Parameters
    ----------
    songs : Songs
        The dataset.
    rows : ndarray[FRAGMENT]
        Which windows. With 12 pitch classes, a shift rotates them; with 88 keys, notes that leave
        the keyboard are dropped.
    steps : int
        T, length of each window.
    past : int
        P, number of steps before each window.
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
    positions = [songs.positions(song, start, steps, shift) for song, start, shift in rows.tolist()]
    end = songs.steps[rows["song"]]
    mask = rows["start"][:, None] + np.arange(steps) < end[:, None]
    tensor = torch.from_numpy(drawn)
    return Batch(
        tensor[:, :past],
        tensor[:, past:],
        torch.from_numpy(mask).float(),
        torch.from_numpy(np.stack(positions)),
    )


def held_out(songs: Songs, split: str, past: int, keys: int, most: int = 16_384) -> Iterator[Batch]:
    """Render all songs of a split, whole and not transposed, in batches.

    Songs of similar length are in the same batch, and the size of a batch is limited, so memory use
    does not grow with the number of songs.

    Parameters
    ----------
    songs : Songs
        The dataset.
    split : str
        ``"train"``, ``"valid"`` or ``"test"``.
    past : int
        P, number of silent steps before each song.
    keys : int
        K: 88, or 12 for pitch classes.
    most : int
        Largest number of songs times steps in a batch, unless a single song is longer.

    Yields
    ------
    Batch
        T is the length of the longest song in it.
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
    """The training batches; each depends only on the seed and its index.

    Every epoch goes through all fragments in a new random order. To resume training, the index of
    the next batch is all that is needed.

    Parameters
    ----------
    songs : Songs
        The dataset.
    table : ndarray[FRAGMENT]
        The training fragments with all their shifts. With 12 pitch classes, the rows without a
        shift are used, and each is rotated by a random shift every time. With 88 keys, each
        fragment is transposed by a random one of its shifts every time.
    size : int
        Number of fragments in a batch.
    steps, past, keys : int
        As for `window`.
    seed : int
        Seed for the orders and shifts.
    annotate : callable
        Computes the annotation of each key at each step of a whole song: from Tensor[S, K + any]
        to Tensor[S, K + any, A], or to None. The song is given on a keyboard that is extended by
        the range of the shifts, so that one annotation serves all transpositions.
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
        annotate: Callable[[Tensor], Tensor | None] = lambda song: None,
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
        self.annotate = annotate
        self._orders: dict[int, np.ndarray] = {}
        self._annotated: OrderedDict[int, Tensor | None] = OrderedDict()

    def __call__(self, number: int) -> Batch:
        """Make a batch.

        Parameters
        ----------
        number : int
            Index of the batch, from 0.

        Returns
        -------
        Batch
        """
        places = np.arange(number * self.size, (number + 1) * self.size)
        epochs = np.unique(places // len(self.rows)).tolist()
        self._orders = {epoch: self._order(epoch) for epoch in epochs}
        chosen = np.array(
            [self._orders[p // len(self.rows)][p % len(self.rows)] for p in places.tolist()]
        )
        rows = self.rows[chosen].copy()
        rng = np.random.default_rng(derive(self.seed, "shift", number))
        if self.keys == rolls.KEYS:
            rows["shift"] = self.lowest[chosen] + rng.integers(self.count[chosen])
        else:
            rows["shift"] = rng.choice(self.shifts, len(rows))
        batch = window(self.songs, rows, self.steps, self.past, self.keys)
        return batch._replace(annotation=self._annotations(rows))

    def _order(self, epoch: int) -> np.ndarray:
        """The order of the rows in an epoch; that of the last batch is known."""
        if epoch in self._orders:
            return self._orders[epoch]
        rng = np.random.default_rng(derive(self.seed, "order", epoch))
        return rng.permutation(len(self.rows))

    def _annotations(self, rows: np.ndarray) -> Tensor | None:
        """Cut out and transpose the annotations of the fragments: Tensor[B, T, K, A]."""
        parts = []
        for song, start, shift in rows.tolist():
            whole = self._of_song(song)
            if whole is None:
                return None
            part = whole[start : start + self.steps]
            if self.keys == rolls.KEYS:
                first = int(self.shifts[-1]) - shift
                part = part[:, first : first + self.keys]
            else:
                part = part.roll(shift, 1)
            parts.append(functional.pad(part, (0, 0, 0, 0, 0, self.steps - len(part))))
        return torch.stack(parts)

    def _of_song(self, song: int) -> Tensor | None:
        """Return the annotation of a song; those of the songs used last are cached."""
        if song not in self._annotated:
            roll = self.songs.roll(song, 0, int(self.songs.steps[song]))
            if self.keys == rolls.KEYS:
                longer = int(self.shifts[-1]), -int(self.shifts[0])
                roll = np.pad(roll, ((0, 0), longer))
            else:
                roll = rolls.pitch_classes(roll)
            self._annotated[song] = self.annotate(torch.from_numpy(roll))
        self._annotated.move_to_end(song)
        while len(self._annotated) > 1 and self.songs.steps[list(self._annotated)].sum() > KNOWN:
            self._annotated.popitem(last=False)
        return self._annotated[song]
