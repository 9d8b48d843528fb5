"""The songs of a dataset, as later stages read them."""

from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.notes.data import rolls

STEP_NOTE = np.dtype(
    [("song", "<i4"), ("onset", "<i4"), ("length", "<i4"), ("pitch", "u1"), ("velocity", "u1")]
)
"""A note of a dataset: index of its song, onset and length in steps, MIDI pitch and velocity."""


class Songs:
    """A dataset on disk, its notes memory-mapped.

    Parameters
    ----------
    folder : Path
        What `ostinato.notes.data.dataset.build` wrote.
    representation : str
        What `roll` draws: ``"onset"``, where a key is struck, or ``"holding"``, where it sounds.
    velocities : bool
        Whether `roll` gives velocities.

    Attributes
    ----------
    notes : memmap[STEP_NOTE]
        All notes, sorted by song, onset, pitch.
    steps, bar : ndarray[int64], shape [songs]
        Length of each song and of its bar, in steps.
    split, metre, title, id : list of str
        A song each.
    """

    def __init__(self, folder: Path, representation: str = "onset", velocities: bool = False):
        self.folder = folder
        self.holding = representation == "holding"
        self.velocities = velocities
        rows = files.read_table(folder / "songs.csv")
        self.notes = np.load(folder / "notes.npy", mmap_mode="r")
        self.steps = np.array([int(row["steps"]) for row in rows])
        self.bar = np.array([int(row["bar"]) for row in rows])
        self.split = [row["split"] for row in rows]
        self.metre = [row["metre"] for row in rows]
        self.title = [row["title"] for row in rows]
        self.id = [row["id"] for row in rows]
        self._first = np.searchsorted(self.notes["song"], np.arange(len(rows) + 1))

    def __len__(self) -> int:
        return len(self.id)

    def of(self, split: str) -> list[int]:
        """Indices of the songs of a split."""
        return [i for i, name in enumerate(self.split) if name == split]

    def song(self, index: int) -> np.ndarray:
        """ndarray[STEP_NOTE]: The notes of one song."""
        return self.notes[self._first[index] : self._first[index + 1]]

    def roll(self, index: int, start: int, steps: int, shift: int = 0) -> np.ndarray:
        """Draw some steps of a song, as `ostinato.notes.data.rolls.velocity_roll`.

        Returns
        -------
        ndarray[float32], shape [steps, 88]
            0 or 1, or velocities divided by 128.
        """
        roll = rolls.velocity_roll(self.song(index), start, steps, shift, self.holding)
        return roll / np.float32(128) if self.velocities else (roll > 0).astype(np.float32)
