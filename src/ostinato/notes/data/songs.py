"""The songs of a dataset, as later stages read them."""

import sys
from functools import cache
from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.notes.data import rolls
from ostinato.notes.data.positions import Bars, Positions, close_of

STEP_NOTE = np.dtype(
    [
        ("song", "<i4"),
        ("onset", "<i4"),
        ("length", "<i4"),
        ("pitch", "u1"),
        ("velocity", "u1"),
        ("part", "<u2"),
    ]
)
"""A note of a dataset: index of its song, onset and length in steps, MIDI pitch and velocity, index
of its part."""


class Songs:
    """A dataset on disk, with its notes memory-mapped.

    Parameters
    ----------
    folder : Path
        The folder that `ostinato.notes.data.dataset.build` wrote.
    representation : str
        How `roll` renders notes: ``"onset"``, ``"holding"`` or ``"notes"``; see
        `ostinato.notes.data.rolls.render_roll`.
    velocities : bool
        Whether `roll` returns velocities instead of 1.

    Attributes
    ----------
    steps_per_beat : int
        Number of steps in a quarter note, the same for all songs.
    notes : memmap[STEP_NOTE]
        All notes, sorted by song, onset, pitch.
    steps, bar : ndarray[int64], shape [songs]
        Length of each song and of its first bar, in steps.
    bars : list of list of Bars
        Where bars of which length begin in each song.
    split, metre, title, id : list of str
        One entry for each song.
    parts : list of list of tuple of int and str
        The General MIDI program and the name of each part of each song, except drums.
    voices : list of list of tuple of int and str
        Those that are voices, the highest first; none if the parts of a song are no voices.
    swing : list of tuple of float and int, or None
        How each song swung; see `ostinato.scores.grid.with_swing`.
    """

    def __init__(self, folder: Path, representation: str = "onset", velocities: bool = False):
        self.folder = folder
        self.representation = representation
        self.velocities = velocities
        self.notes = np.load(folder / "notes.npy", mmap_mode="r")
        self.split: list[str] = []
        self.metre: list[str] = []
        self.title: list[str] = []
        self.id: list[str] = []
        self.bars: list[list[Bars]] = []
        self.parts: list[list[tuple[int, str]]] = []
        self.voices: list[list[tuple[int, str]]] = []
        self.swing: list[tuple[float, int] | None] = []
        steps, ends = [], [0]
        for row in files.rows(folder / "songs.csv"):
            # What many songs have is kept once.
            self.split.append(sys.intern(row["split"]))
            self.metre.append(sys.intern(row["metre"]))
            self.title.append(row["title"])
            self.id.append(row["id"])
            self.bars.append(_bars(row["bars"]))
            parts = _parts(row["parts"])
            self.parts.append(parts)
            self.voices.append([parts[int(voice)] for voice in row["voices"].split()])
            self.swing.append((float(row["swing"]), int(row["swung"])) if row["swing"] else None)
            steps.append(int(row["steps"]))
            ends.append(ends[-1] + int(row["notes"]))
        self.steps_per_beat = int(row["steps_per_beat"])
        self.steps = np.array(steps)
        self.bar = np.array([bars[0].bar for bars in self.bars])
        self._first = np.array(ends)

    def __len__(self) -> int:
        return len(self.id)

    def of(self, split: str) -> list[int]:
        """Return the indices of the songs of a split."""
        return [i for i, name in enumerate(self.split) if name == split]

    def song(self, index: int) -> np.ndarray:
        """Return the notes of one song: ndarray[STEP_NOTE]."""
        return self.notes[self._first[index] : self._first[index + 1]]

    def roll(self, index: int, start: int, steps: int, shift: int = 0) -> np.ndarray:
        """Render some steps of a song; see `ostinato.notes.data.rolls.render_roll`.

        Returns
        -------
        ndarray[float32], shape [steps, 88]
            -1, 0 or 1, or velocities divided by 128.
        """
        roll = rolls.render_roll(self.song(index), start, steps, shift, self.representation)
        return roll / np.float32(128) if self.velocities else np.sign(roll, dtype=np.float32)

    def positions(self, index: int, start: int, steps: int, shift: int = 0) -> np.ndarray:
        """Describe where some steps of a song stand, transposed by a shift; see `Positions`."""
        notes, length = self.song(index), int(self.steps[index])
        if not len(notes):
            return Positions(self.bars[index], length)(start, steps, shift)
        first, (end, final) = int(notes["onset"][0]), close_of(notes)
        return Positions(self.bars[index], length, first, end, final)(start, steps, shift)


@cache
def _bars(written: str) -> list[Bars]:
    """Read bars as songs.csv has them: ``"0:16:4 64:12:4"``."""
    return [Bars(*map(int, each.split(":"))) for each in written.split()]


@cache
def _parts(written: str) -> list[tuple[int, str]]:
    """Read parts as songs.csv has them: ``"40 Violin|42 Cello"``."""
    pairs = (part.partition(" ") for part in written.split("|"))
    return [(int(program), name) for program, _, name in pairs]
