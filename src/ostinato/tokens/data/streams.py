"""Pieces as sequences of classes on disk, a long one for each split.

A stream is a boundary, the first piece, a boundary, the second one, ..., a boundary. It is written
and read block by block: what a text costs in memory does not depend on its length.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.scores.sources import SPLITS
from ostinato.tokens import BOUNDARY

PIECE_COLUMNS = ["source", "split", "first", "length", "labels"]
CUTS = (8, 9, 10)
"""Tenths of a piece that is cut, where its share for each split ends."""

LEARNED = 2_000_000
"""Tokens of a training stream, in all its transpositions, that n-grams learn and that written music
is compared with."""


@dataclass(frozen=True)
class Piece:
    """A sequence of tokens that may be too long for memory.

    Attributes
    ----------
    source : str
        Where it comes from, for tables.
    split : str
        ``"train"``, ``"valid"``, ``"test"``; or ``"cut"``: its beginning, what follows, its end.
    labels : tuple of str
        What it is called, for classification.
    blocks : callable
        Gives the piece from its beginning, ndarrays of int, some numbers at a time.
    length : int
        How many there are.
    """

    source: str
    split: str
    labels: tuple[str, ...]
    blocks: Callable[[], Iterator[np.ndarray]]
    length: int

    def parts(self) -> dict[str, int]:
        """Say how many of its tokens go to which split, in order."""
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
        Which number in a piece is class 1, 2, ...; class 0 is the boundary.
    names : list of str
        Of every class, as it is read and written; that of the boundary is empty.
    shifts : ndarray[int32], shape [any, classes]
        What becomes of each class in a transposition, -1 where it is none; the first row changes
        nothing.
    """

    numbers: np.ndarray
    names: list[str]
    shifts: np.ndarray


def write_streams(
    out: Path, pieces: list[Piece], vocabulary: Vocabulary, about: dict[str, Any]
) -> None:
    """Write ``train.npy``, ``valid.npy``, ``test.npy``, ``shifts.npy``, ``pieces.csv`` and
    ``config.json``.

    Parameters
    ----------
    out : Path
        A folder.
    pieces : list of Piece
        At least one for each split, or one that is cut.
    vocabulary : Vocabulary
        Has every number that occurs.
    about : dict
        What else config.json shall hold.

    Raises
    ------
    UserError
        When a split would be empty.
    """
    class_of = np.zeros(int(vocabulary.numbers.max()) + 1, np.int64)
    class_of[vocabulary.numbers] = np.arange(1, len(vocabulary.names))
    dtype = np.min_scalar_type(len(vocabulary.names) - 1)
    lengths = [piece.parts() for piece in pieces]
    place, rows = dict.fromkeys(SPLITS, 1), []
    with ExitStack() as stack:
        streams = {}
        for split in SPLITS:
            sizes = [parts[split] for parts in lengths if split in parts]
            if not sum(sizes):
                raise UserError(
                    f"nothing is left for {split}; give 3 pieces at least, or a longer text"
                )
            streams[split] = stack.enter_context((out / f"{split}.npy").open("wb"))
            head = {"descr": dtype.str, "fortran_order": False}
            head["shape"] = (sum(sizes) + len(sizes) + 1,)
            np.lib.format.write_array_header_1_0(streams[split], head)
            streams[split].write(np.zeros(1, dtype).tobytes())
        for piece, parts in progress(
            zip(pieces, lengths, strict=True), len(pieces), "tokens: writing"
        ):
            for split, numbers in _divided(piece.blocks(), parts):
                streams[split].write(class_of[numbers].astype(dtype).tobytes())
            for split, length in parts.items():
                streams[split].write(np.full(1, BOUNDARY, dtype).tobytes())
                rows.append(
                    {
                        "source": piece.source,
                        "split": split,
                        "first": place[split],
                        "length": length,
                        "labels": "/".join(piece.labels),
                    }
                )
                place[split] += length + 1
    files.write_array(out / "shifts.npy", vocabulary.shifts)
    files.write_table(out / "pieces.csv", PIECE_COLUMNS, rows)
    learned = (piece for piece in pieces if piece.split == "train")
    labels = sorted({label for piece in learned for label in piece.labels})
    files.write_json(out / "config.json", {**about, "labels": labels, "names": vocabulary.names})


def _divided(
    blocks: Iterator[np.ndarray], parts: dict[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Divide a piece's blocks among splits."""
    left = dict(parts)
    for block in blocks:
        for split in parts:
            taken, block = np.split(block, [left[split]])
            left[split] -= len(taken)
            yield split, taken


class Streams:
    """What `write_streams` wrote, memory-mapped.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    about : dict
        The content of config.json.
    names : list of str
        Of every class; see `Vocabulary`.
    shifts : ndarray[int32], shape [any, classes]
        As there.
    labels : list of str
        Of training pieces, in alphabetical order; none unless pieces are to be classified.
    """

    def __init__(self, folder: Path):
        self.about = files.read_json(folder / "config.json")
        self.names: list[str] = self.about["names"]
        self.labels: list[str] = self.about["labels"]
        self.shifts = np.load(folder / "shifts.npy")
        self._pieces = files.read_table(folder / "pieces.csv")
        self._streams = {split: np.load(folder / f"{split}.npy", mmap_mode="r") for split in SPLITS}
        self._train = os.open(folder / "train.npy", os.O_RDONLY)
        firsts = [int(piece["first"]) for piece in self._pieces if piece["split"] == "train"]
        # Where the boundaries are that pieces begin after, and the last one.
        self._begins = np.array([*firsts, len(self["train"])]) - 1

    def __del__(self):
        os.close(self._train)

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

    def targets(self, split: str) -> np.ndarray:
        """Say which labels a split's pieces have: ndarray[float32], [pieces, labels], 0 or 1."""
        called = [p["labels"].split("/") for p in self._pieces if p["split"] == split]
        has = [[label in labels for label in self.labels] for labels in called]
        return np.array(has, np.float32)

    def transposed(self, piece: np.ndarray, shift: int) -> np.ndarray:
        """Transpose classes by a row of `shifts`, or not where that leads out of MIDI."""
        moved = self.shifts[shift][piece]
        return piece if (moved < 0).any() else moved

    def learned(self) -> list[np.ndarray]:
        """The training stream in every transposition, `LEARNED` tokens of them all at the most.

        Returns
        -------
        list of ndarray[int32], shape [any]
            Pieces that a transposition leads out of MIDI are left out of it.
        """
        stream = np.asarray(self["train"][: LEARNED // len(self.shifts)])
        piece = np.cumsum(stream == BOUNDARY)
        found = []
        for shift in self.shifts:
            moved = shift[stream]
            found.append(moved[~np.isin(piece, piece[moved < 0])])
        return found

    def windows_of(self, length: int) -> int:
        """Count the training windows of a length; see `windows`."""
        return int(self._windows_until(length)[-1])

    def windows(
        self, numbers: np.ndarray, shifts: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut windows out of the training stream and transpose them.

        A window is moved over each piece by one, from where it has only the first token to where it
        has only the last, and cut off where it reaches out of the piece; a piece no longer than it
        is always whole. So every token is in as many windows as any other: ``length``.

        Parameters
        ----------
        numbers : ndarray[int64], shape [B]
            Which windows, below `windows_of`.
        shifts : ndarray[int64], shape [B]
            Row of the transposition of each; see `transposed`.
        length : int
            Tokens after the first one, which is given.

        Returns
        -------
        tokens : ndarray[int64], shape [B, length + 1]
            What lies behind the end is the boundary.
        lengths : ndarray[int64], shape [B]
            Tokens that count after the first one, at least 1.
        """
        until = self._windows_until(length)
        pieces = np.searchsorted(until, numbers, "right")
        begin, end = self._begins[pieces], self._begins[pieces + 1]
        first = end - (until[pieces] - numbers)
        first = np.where(end - begin <= length, begin, first)
        last = np.minimum(first + length, end)
        first = np.maximum(first, begin)
        lengths = last - first
        tokens = np.full((len(numbers), length + 1), BOUNDARY)
        for row, place, counted in zip(tokens, first.tolist(), lengths.tolist(), strict=True):
            row[: counted + 1] = self._read(place, counted + 1)
        moved = [self.transposed(*each) for each in zip(tokens, shifts, strict=True)]
        return np.stack(moved).astype(np.int64), lengths

    def _windows_until(self, length: int) -> np.ndarray:
        """Count the windows of the training pieces up to each, it included."""
        sizes = np.diff(self._begins)
        return np.cumsum(np.where(sizes <= length, length, sizes + length - 1))

    def _read(self, first: int, count: int) -> np.ndarray:
        """Read so many tokens of the training stream from a place on."""
        stream = self["train"]
        # Reading keeps nothing in memory; pages of a memmap would stay there.
        size = stream.dtype.itemsize
        data = os.pread(self._train, count * size, stream.offset + first * size)
        return np.frombuffer(data, stream.dtype)
