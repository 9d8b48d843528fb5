"""Figures of written tokens: how varied they are, and how much of them is copied."""

import numpy as np

from ostinato.tokens import BOUNDARY


class Grams:
    """Numbers the n-grams of written pieces and of known ones, alike where they are the same.

    Parameters
    ----------
    pieces : list of list of int
        The written ones: classes.
    known : list of ndarray of int
        Streams that they may have been copied from.
    """

    def __init__(self, pieces: list[list[int]], known: list[np.ndarray]):
        written = [BOUNDARY, *(token for piece in pieces for token in [*piece, BOUNDARY])]
        self.tokens = np.concatenate([np.array(written), *known]).astype(np.int64)
        self._written = len(written)
        self._boundaries = np.cumsum(np.concatenate([[0], self.tokens == BOUNDARY]))
        self._doubled = [self.tokens]
        self._longest = max(map(len, pieces))

    def distinct(self, length: int) -> float:
        """How many different n-grams of a length were written, divided by all that were."""
        written, _ = self._grams(length)
        return len(np.unique(written)) / max(len(written), 1)

    def new(self, length: int) -> float:
        """The share of the written n-grams of a length that occur nowhere in what is known."""
        written, known = self._grams(length)
        return float((~np.isin(written, known)).mean()) if len(written) else 0.0

    def longest_copy(self) -> int:
        """The length of the longest written n-gram that occurs in what is known."""
        low, high = 0, self._longest + 1
        while high - low > 1:
            middle = (low + high) // 2
            written, known = self._grams(middle)
            low, high = (middle, high) if np.isin(written, known).any() else (low, middle)
        return low

    def _grams(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Number the n-grams of a length that no boundary divides, written ones and known ones."""
        power = length.bit_length() - 1
        while len(self._doubled) <= power:
            pairs = self._pairs(self._doubled[-1], 1 << len(self._doubled) - 1)
            self._doubled.append(np.unique(pairs, return_inverse=True)[1])
        # Two n-grams whose length is a power of two, which overlap, are the whole.
        numbers = self._pairs(self._doubled[power], length - (1 << power))
        numbers = numbers[: max(len(self.tokens) - length + 1, 0)]
        places = np.arange(len(numbers))
        whole = self._boundaries[places + length] == self._boundaries[places]
        written = places < self._written
        return numbers[whole & written], numbers[whole & ~written]

    @staticmethod
    def _pairs(numbers: np.ndarray, apart: int) -> np.ndarray:
        """Number the pairs of numbers so far apart."""
        first = numbers[: max(len(numbers) - apart, 0)]
        return first * (int(numbers.max(initial=0)) + 1) + numbers[apart:]
