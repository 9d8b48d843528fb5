"""How diverse written tokens are, and how much of them is copied."""

import numpy as np

from ostinato.tokens import BOUNDARY


class Diversity:
    """The n-grams of written pieces, compared with those of known streams.

    Each distinct n-gram gets a number, the same in written and in known tokens.

    Parameters
    ----------
    pieces : list of list of int
        The written pieces: classes.
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

    def distinct(self, n: int) -> float:
        """The number of different written n-grams, divided by the number of all.

        This is distinct-n (Li et al., A diversity-promoting objective function for neural
        conversation models, NAACL 2016).
        """
        written, _ = self._ngrams(n)
        return len(np.unique(written)) / max(len(written), 1)

    def novelty(self, n: int) -> float:
        """The share of the written n-grams that are not among the known ones."""
        written, known = self._ngrams(n)
        return float((~_among(written, known)).mean()) if len(written) else 0.0

    def longest_copy(self) -> int:
        """The length of the longest written n-gram that is among the known ones."""
        low, high = 0, self._longest + 1
        while high - low > 1:
            middle = (low + high) // 2
            written, known = self._ngrams(middle)
            low, high = (middle, high) if _among(written, known).any() else (low, middle)
        return low

    def _ngrams(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Number the n-grams that contain no boundary: the written ones and the known ones."""
        power = n.bit_length() - 1
        while len(self._doubled) <= power:
            pairs = self._pairs(self._doubled[-1], 1 << len(self._doubled) - 1)
            self._doubled.append(np.unique(pairs, return_inverse=True)[1])
        # Two n-grams whose length is a power of two, and which may overlap, make up the whole.
        numbers = self._pairs(self._doubled[power], n - (1 << power))
        numbers = numbers[: max(len(self.tokens) - n + 1, 0)]
        places = np.arange(len(numbers))
        whole = self._boundaries[places + n] == self._boundaries[places]
        written = places < self._written
        return numbers[whole & written], numbers[whole & ~written]

    @staticmethod
    def _pairs(numbers: np.ndarray, distance: int) -> np.ndarray:
        """Number the pairs of numbers at this distance."""
        first = numbers[: max(len(numbers) - distance, 0)]
        return first * (int(numbers.max(initial=0)) + 1) + numbers[distance:]


def _among(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Say which numbers are among others.

    `numpy.isin` puts the others into a hash table, in which these numbers collide: 42 s for what
    takes 4 s here.
    """
    if not len(others):
        return np.zeros(len(some), bool)
    others = np.sort(others)
    return others[np.searchsorted(others[:-1], some)] == some
