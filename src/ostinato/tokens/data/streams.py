"""Pieces as sequences of classes on disk: one long stream for each split.

A stream is a boundary, the first piece, a boundary, the second piece, and so on; it ends with a
boundary. Streams are written and read in blocks, so the memory needed does not depend on the length
of a text.
"""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.sources import SPLITS
from ostinato.tokens import BOUNDARY

PIECE_COLUMNS = ["source", "split", "first", "length", "labels"]
CUTS = (8, 9, 10)
"""Where the part for each split ends in a piece that is cut, in tenths of its length."""

MAX_COMPARED = 2_000_000
"""The most training tokens, counted in all transpositions, that n-grams learn from and that written
music is compared with."""


class Song(NamedTuple):
    """What stays in memory of a song whose tokens are not; see `Piece`."""

    source: str
    split: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A sequence of tokens that may be too long for memory.

    Attributes
    ----------
    source : str
        Where it comes from, for tables.
    split : str
        ``"train"``, ``"valid"``, ``"test"``; or ``"cut"``: the beginning is for training, the next
        part for validation, and the end for the test.
    labels : tuple of str
        Its labels, for classification.
    blocks : callable
        Returns an iterator over the piece, as consecutive ndarrays of int.
    length : int
        The number of its tokens.
    """

    source: str
    split: str
    labels: tuple[str, ...]
    blocks: Callable[[], Iterator[np.ndarray]]
    length: int

    def parts(self) -> dict[str, int]:
        """Count the tokens that go to each split, in the order of the piece."""
        if self.split != "cut":
            return {self.split: self.length}
        ends = [(tenths * self.length + 5) // 10 for tenths in CUTS]
        sizes = (last - first for first, last in pairwise([0, *ends]))
        return {split: size for split, size in zip(SPLITS, sizes, strict=True) if size}


@dataclass(frozen=True)
class Vocabulary:
    """The classes.

    Attributes
    ----------
    numbers : ndarray[int64], shape [classes - 1]
        The numbers in the pieces that become class 1, 2, and so on. Class 0 is the boundary.
    names : list of str
        The name of each class, as it is read and written. The boundary has an empty name.
    shifts : ndarray[int32], shape [any, classes]
        What each class becomes in each transposition; -1 if there is no such class. The first row
        changes nothing.
    """

    numbers: np.ndarray
    names: list[str]
    shifts: np.ndarray


def write_streams(
    out: Path, pieces: Iterable[Piece], vocabulary: Vocabulary, config: dict[str, Any]
) -> None:
    """Write ``train.npy``, ``valid.npy``, ``test.npy``, ``shifts.npy``, ``pieces.csv`` and
    ``config.json``.

    Parameters
    ----------
    out : Path
        A folder.
    pieces : iterable of Piece
        At least one for each split, or one that is cut. They are taken one by one.
    vocabulary : Vocabulary
        It has a class for every number in the pieces.
    config : dict
        What else is written into config.json.

    Raises
    ------
    UserError
        When a split would be empty.
    """
    class_of = np.zeros(int(vocabulary.numbers.max()) + 1, np.int64)
    class_of[vocabulary.numbers] = np.arange(1, len(vocabulary.names))
    dtype = np.min_scalar_type(len(vocabulary.names) - 1)
    place, tokens = dict.fromkeys(SPLITS, 1), dict.fromkeys(SPLITS, 0)
    labels: set[str] = set()
    with ExitStack() as stack:
        add = stack.enter_context(files.writing_table(out / "pieces.csv", PIECE_COLUMNS))
        streams = {
            split: stack.enter_context(files.writing_array(out / f"{split}.npy", dtype))
            for split in SPLITS
        }
        for stream in streams.values():
            stream(np.full(1, BOUNDARY, dtype))
        for piece in pieces:
            parts = piece.parts()
            for split, numbers in _divided(piece.blocks(), parts):
                streams[split](class_of[numbers].astype(dtype))
            for split, length in parts.items():
                streams[split](np.full(1, BOUNDARY, dtype))
                add(
                    {
                        "source": piece.source,
                        "split": split,
                        "first": place[split],
                        "length": length,
                        "labels": "/".join(piece.labels),
                    }
                )
                place[split] += length + 1
                tokens[split] += length
            if piece.split == "train":
                labels.update(piece.labels)
        for split in SPLITS:
            if not tokens[split]:
                raise UserError(
                    f"nothing is left for {split}; give 3 pieces at least, or a longer text"
                )
    files.write_array(out / "shifts.npy", vocabulary.shifts)
    files.write_json(
        out / "config.json", {**config, "labels": sorted(labels), "names": vocabulary.names}
    )


def _divided(
    blocks: Iterator[np.ndarray], parts: dict[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Divide the blocks of a piece among the splits."""
    left = dict(parts)
    for block in blocks:
        for split in parts:
            taken, block = np.split(block, [left[split]])
            left[split] -= len(taken)
            yield split, taken


class Streams:
    """The memory-mapped streams that `write_streams` wrote.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    config : dict
        The content of config.json.
    names : list of str
        The name of each class; see `Vocabulary`.
    shifts : ndarray[int32], shape [any, classes]
        See `Vocabulary`.
    labels : list of str
        The labels of training pieces, in alphabetical order; none unless pieces are classified.
    begins : ndarray[int64], shape [training pieces + 1]
        Where the boundaries are in the training stream: one before each piece, and the last one.
    """

    def __init__(self, folder: Path):
        self.config = files.read_json(folder / "config.json")
        self.names: list[str] = self.config["names"]
        self.labels: list[str] = self.config["labels"]
        self.shifts = np.load(folder / "shifts.npy")
        self._pieces = files.read_table(folder / "pieces.csv")
        self._streams = {split: np.load(folder / f"{split}.npy", mmap_mode="r") for split in SPLITS}
        self._train = os.open(folder / "train.npy", os.O_RDONLY)
        weakref.finalize(self, os.close, self._train)
        firsts = [int(piece["first"]) for piece in self._pieces if piece["split"] == "train"]
        self.begins = np.array([*firsts, len(self["train"])]) - 1

    def __getitem__(self, split: str) -> np.ndarray:
        """The stream of a split: memmap of unsigned int, shape [any]."""
        return self._streams[split]

    def pieces(self, split: str) -> list[np.ndarray]:
        """The pieces of a split: memmaps of unsigned int, shape [any]."""
        return [
            self[split][int(piece["first"]) :][: int(piece["length"])]
            for piece in self._pieces
            if piece["split"] == split
        ]

    def sources(self, split: str) -> list[str]:
        """Where the pieces of a split come from."""
        return [piece["source"] for piece in self._pieces if piece["split"] == split]

    def targets(self, split: str) -> np.ndarray:
        """Mark the labels of a split's pieces with 1: ndarray[float32], shape [pieces, labels]."""
        labels = [p["labels"].split("/") for p in self._pieces if p["split"] == split]
        has = [[label in own for label in self.labels] for own in labels]
        return np.array(has, np.float32)

    def transpose(self, tokens: np.ndarray, shift: int) -> np.ndarray:
        """Transpose classes by a row of `shifts`, unless a note would leave MIDI's range."""
        moved = self.shifts[shift][tokens]
        return tokens if (moved < 0).any() else moved

    def transpositions(self) -> list[np.ndarray]:
        """Return the training stream in every transposition, at most `MAX_COMPARED` tokens in all.

        Returns
        -------
        list of ndarray[int32], shape [any]
            A piece is missing where a note would leave MIDI's range.
        """
        stream = np.asarray(self["train"][: MAX_COMPARED // len(self.shifts)])
        piece = np.cumsum(stream == BOUNDARY)
        found = []
        for shift in self.shifts:
            moved = shift[stream]
            found.append(moved[~np.isin(piece, piece[moved < 0])])
        return found

    def read(self, first: int, count: int) -> np.ndarray:
        """Read tokens of the training stream without keeping them in memory.

        The pages of a memory-mapped file stay in memory once they are read.

        Parameters
        ----------
        first, count : int
            Where to begin, and how many tokens to read.

        Returns
        -------
        ndarray of unsigned int, shape [count]
        """
        stream = self["train"]
        size = stream.dtype.itemsize
        data = os.pread(self._train, count * size, stream.offset + first * size)
        return np.frombuffer(data, stream.dtype)
