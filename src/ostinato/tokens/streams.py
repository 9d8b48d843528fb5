"""Pieces as sequences of classes on disk, a long one for each split.

A stream is a boundary, the first piece, a boundary, the second one, ..., a boundary. It is written
and read block by block: what a text costs in memory does not depend on its length.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ostinato import files
from ostinato.errors import UserError
from ostinato.songs import SPLITS
from ostinato.tokens.ngrams import BOUNDARY

PIECE_COLUMNS = ["source", "split", "first", "length", "labels"]
MOST = 1_000_000
"""Tokens of long streams that are looked at in comparisons."""
CUTS = (8, 9, 10)
"""Tenths of a piece that is cut, where its share for each split ends."""


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


@dataclass(frozen=True)
class Vocabulary:
    """The classes.

    Attributes
    ----------
    numbers : ndarray[int64], shape [classes - 1]
        Ascending: which number in a piece is class 1, 2, ...; class 0 is the boundary.
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
    lengths = [dict(_parts(piece)) for piece in pieces]
    streams, place, rows = {}, dict.fromkeys(SPLITS, 1), []
    for split in SPLITS:
        total = sum(one[split] + 1 for one in lengths if split in one)
        if total <= 1:
            raise UserError(
                f"nothing is left for {split}; give 3 pieces at least, or a longer text"
            )
        streams[split] = np.lib.format.open_memmap(out / f"{split}.npy", "w+", dtype, (total + 1,))
    for piece, parts in zip(pieces, lengths, strict=True):
        for split, numbers in _divided(piece.blocks(), parts):
            first = place[split]
            streams[split][first : first + len(numbers)] = class_of[numbers]
            place[split] += len(numbers)
        for split, length in parts.items():
            rows.append(
                {
                    "source": piece.source,
                    "split": split,
                    "first": place[split] - length,
                    "length": length,
                    "labels": "/".join(piece.labels),
                }
            )
            streams[split][place[split]] = BOUNDARY
            place[split] += 1
    for stream in streams.values():
        stream.flush()
    files.write_array(out / "shifts.npy", vocabulary.shifts)
    files.write_table(out / "pieces.csv", PIECE_COLUMNS, rows)
    labels = sorted({label for piece in pieces for label in piece.labels})
    files.write_json(out / "config.json", {**about, "labels": labels, "names": vocabulary.names})


def _parts(piece: Piece) -> Iterator[tuple[str, int]]:
    """Say how much of a piece goes to which split, in order."""
    if piece.split != "cut":
        yield piece.split, piece.length
        return
    ends = [(tenths * piece.length + 5) // 10 for tenths in CUTS]
    for split, (first, last) in zip(SPLITS, pairwise([0, *ends]), strict=True):
        yield split, last - first


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
        That occur, in alphabetical order; none unless pieces are to be classified.
    """

    def __init__(self, folder: Path):
        self.about = files.read_json(folder / "config.json")
        self.names: list[str] = self.about["names"]
        self.shifts = np.load(folder / "shifts.npy")
        self._pieces = files.read_table(folder / "pieces.csv")
        self.labels: list[str] = self.about["labels"]
        self._streams = {split: np.load(folder / f"{split}.npy", mmap_mode="r") for split in SPLITS}

    def __getitem__(self, split: str) -> np.ndarray:
        """The stream of a split: memmap of unsigned int, shape [any]."""
        return self._streams[split]

    @property
    def classes(self) -> int:
        """How many there are, the boundary included."""
        return len(self.names)

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

    def learned(self) -> list[np.ndarray]:
        """The training stream in every transposition, `MOST` tokens of them all at the most.

        Returns
        -------
        list of ndarray[int32], shape [any]
        """
        stream = np.asarray(self["train"][: MOST // len(self.shifts)])
        return [shift[stream] for shift in self.shifts]

    def windows(self, starts: np.ndarray, shifts: np.ndarray, length: int) -> np.ndarray:
        """Cut windows out of the training stream and transpose them.

        Parameters
        ----------
        starts, shifts : ndarray[int64], shape [B]
            Where each begins, and the row of its transposition.
        length : int
            Tokens of a window.

        Returns
        -------
        ndarray[int64], shape [B, length]
        """
        found = self["train"][starts[:, None] + np.arange(length)]
        return self.shifts[shifts[:, None], found].astype(np.int64)
