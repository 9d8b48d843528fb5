"""Sequences of numbers kept on disk between two passes over a corpus."""

import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Spool:
    """Sequences in a temporary file, which are read again in the order in which they came.

    Only their lengths stay in memory.

    Parameters
    ----------
    folder : Path
        Where the file is; it has no name, and is gone when nobody uses it.
    dtype : dtype
        Of all sequences.
    """

    def __init__(self, folder: Path, dtype: type[np.integer]):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._dtype = np.dtype(dtype)
        self._lengths = array("q")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, numbers: np.ndarray) -> None:
        """Add a sequence, an ndarray of int, shape [any]."""
        self._file.write(numbers.astype(self._dtype).tobytes())
        self._lengths.append(len(numbers))

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.flush()
        place = 0
        for length in self._lengths:
            data = os.pread(self._file.fileno(), length * self._dtype.itemsize, place)
            place += len(data)
            yield np.frombuffer(data, self._dtype)
