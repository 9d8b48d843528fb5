"""N-grams with Kneser-Ney smoothing: the yardstick of a sequence model.

Chen and Goodman, An empirical study of smoothing techniques for language modeling, Computer Speech
and Language 13 (1999): interpolated, modified (three discounts), all orders from one to the highest
at once. Every distinct n-gram has a number, and everything else is counting by that number.
"""

from dataclasses import dataclass

import numpy as np

BOUNDARY = 0
"""The class that stands between two pieces; no history reaches back behind it."""

DISCOUNTS = (0.5, 1.0, 1.5)
"""Where counts of counts give none: too little text."""


@dataclass(frozen=True)
class _Table:
    """A distribution over tokens after each history, to be mixed with that of a shorter one."""

    discounted: np.ndarray
    """Of each n-gram: its share of what its history was followed by, discounted."""
    rest: np.ndarray
    """Of each history: what is left for the shorter one; 1 where nothing ever followed."""


@dataclass(frozen=True)
class _Level:
    """All n-grams of one length."""

    keys: np.ndarray
    """Number of the history times the number of classes, plus the last token; ascending."""
    highest: _Table
    """Where this is the highest order."""
    lower: _Table
    """Where a longer one is."""


class KneserNey:
    """N-grams of all orders up to a highest one.

    Parameters
    ----------
    streams : list of ndarray of int, shape [any]
        Classes; of each stream the first is given, not predicted.
    classes : int
        How many classes there are.
    most : int
        The highest order: tokens of an n-gram, that which is predicted included.
    """

    def __init__(self, streams: list[np.ndarray], classes: int, most: int):
        self.classes = classes
        tokens = np.concatenate(streams).astype(np.int64)
        firsts = np.cumsum([0, *map(len, streams[:-1])])
        places = np.delete(np.arange(len(tokens)), firsts)
        begins = tokens == BOUNDARY
        begins[firsts] = True
        # How many tokens before a place belong to its piece, the boundary included.
        last = np.maximum.accumulate(np.where(begins, np.arange(len(tokens)), 0))
        known = places - last[places - 1]
        grams = _numbered(tokens, begins, places, classes, np.zeros(len(tokens), np.int64))
        self.levels = []
        for order in range(1, most + 1):
            raw = np.bincount(grams.number)
            longer = _numbered(tokens, begins, places, classes, grams.after)
            kinds = np.bincount(grams.number[longer.first], minlength=len(raw))
            # An n-gram that begins a piece can follow nothing else: it counts as it is.
            counts = np.where(known[grams.first] < order, raw, kinds)
            histories = grams.keys // classes
            self.levels.append(
                _Level(grams.keys, _table(raw, histories), _table(counts, histories))
            )
            grams = longer

    def probabilities(self, stream: np.ndarray) -> np.ndarray:
        """Compute how probable each token is after those before it.

        Parameters
        ----------
        stream : ndarray of int, shape [T]
            Classes; the first is given.

        Returns
        -------
        ndarray[float64], shape [orders, T - 1]
            By each order, 1 first.
        """
        tokens = stream[1:].astype(np.int64)
        begins = stream == BOUNDARY
        begins[0] = True
        history = np.zeros(len(stream), np.int64)
        shorter = np.full(len(tokens), 1 / self.classes)
        results = np.empty((len(self.levels), len(tokens)))
        for level, result in zip(self.levels, results, strict=True):
            before = history[:-1]
            keys = before * self.classes + tokens
            place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            seen = (before >= 0) & (level.keys[place] == keys)
            result[:] = _mixed(level.highest, before, place, seen, shorter)
            shorter = _mixed(level.lower, before, place, seen, shorter)
            history = np.where(begins, 0, np.concatenate([[0], np.where(seen, place + 1, -1)]))
        return results


@dataclass(frozen=True)
class _Grams:
    """The n-grams of one length in the training streams.

    ``keys`` of each distinct one, the index of its ``first`` occurrence among the places, the
    ``number`` at each place, and ``after`` each token of the streams, that of the history which
    it ends.
    """

    keys: np.ndarray
    first: np.ndarray
    number: np.ndarray
    after: np.ndarray


def _numbered(
    tokens: np.ndarray,
    begins: np.ndarray,
    places: np.ndarray,
    classes: int,
    history: np.ndarray,
) -> _Grams:
    """Number the n-grams that end at each place, given the histories one token shorter."""
    keys = history[places - 1] * classes + tokens[places]
    keys, first, number = np.unique(keys, return_index=True, return_inverse=True)
    after = np.zeros(len(tokens), np.int64)
    after[places] = number + 1
    after[begins] = 0
    return _Grams(keys, first, number, after)


def _table(counts: np.ndarray, histories: np.ndarray) -> _Table:
    taken = np.array([0.0, *_discounts(counts)])[np.minimum(counts, 3)]
    total = np.bincount(histories, counts)
    left = np.bincount(histories, taken)
    rest = np.divide(left, total, out=np.ones_like(total), where=total > 0)
    return _Table((counts - taken) / total[histories], rest)


def _discounts(counts: np.ndarray) -> tuple[float, float, float]:
    once, twice, thrice, four = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if not (once and twice and thrice):
        return DISCOUNTS
    share = once / (once + 2 * twice)
    found = (
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four / thrice,
    )
    return found if all(0 < d <= n for n, d in enumerate(found, 1)) else DISCOUNTS


def _mixed(
    table: _Table, before: np.ndarray, place: np.ndarray, seen: np.ndarray, shorter: np.ndarray
) -> np.ndarray:
    known = (before >= 0) & (before < len(table.rest))
    rest = np.where(known, table.rest[np.where(known, before, 0)], 1.0)
    return np.where(seen, table.discounted[place], 0.0) + rest * shorter
