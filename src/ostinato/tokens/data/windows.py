"""Windows of the training stream, for training the next token."""

import numpy as np

from ostinato.tokens import BOUNDARY
from ostinato.tokens.data.streams import Streams


class Windows:
    """All windows of one length.

    A window slides over each piece, token by token: at first it holds only the first token, at last
    only the last one. What would lie outside the piece is cut off. A piece that is no longer than a
    window is always taken whole. Every token is in the same number of windows: `length`.

    Parameters
    ----------
    streams : Streams
    length : int
        The number of tokens after the first one, which is given.
    """

    def __init__(self, streams: Streams, length: int):
        self.streams, self.length = streams, length
        sizes = np.diff(streams.begins)
        counts = np.where(sizes <= length, length, sizes + length - 1)
        # How many windows there are up to the end of each piece.
        self._until = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self._until[-1])

    def cut(self, numbers: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut windows out of the stream and transpose them.

        Parameters
        ----------
        numbers : ndarray[int64], shape [B]
            Which windows, below ``len(self)``.
        shifts : ndarray[int64], shape [B]
            The transposition of each; see `Streams.transpose`.

        Returns
        -------
        tokens : ndarray[int64], shape [B, length + 1]
            Padded with boundaries.
        lengths : ndarray[int64], shape [B]
            Tokens that count after the first one, at least 1.
        """
        pieces = np.searchsorted(self._until, numbers, "right")
        begin, end = self.streams.begins[pieces], self.streams.begins[pieces + 1]
        first = end - (self._until[pieces] - numbers)
        first = np.where(end - begin <= self.length, begin, first)
        last = np.minimum(first + self.length, end)
        first = np.maximum(first, begin)
        lengths = last - first
        tokens = np.full((len(numbers), self.length + 1), BOUNDARY)
        for row, place, count in zip(tokens, first.tolist(), lengths.tolist(), strict=True):
            row[: count + 1] = self.streams.read(place, count + 1)
        moved = [self.streams.transpose(*each) for each in zip(tokens, shifts, strict=True)]
        return np.stack(moved).astype(np.int64), lengths
