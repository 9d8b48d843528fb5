"""N-grams with Kneser-Ney smoothing: the baseline of a sequence model.

This is the interpolated, modified form with three discounts of Chen and Goodman, An empirical study
of smoothing techniques for language modeling, Computer Speech and Language 13 (1999), for all
orders from one to the highest at once. No n-gram reaches back beyond the beginning of its piece: a
lower order is used there. Every distinct n-gram has a number; all else is counting by that number.

NLTK's Kneser-Ney has one discount for all counts, and reads token by token with Python's dicts.
KenLM needs programs that pip does not install.
"""

from dataclasses import dataclass

import numpy as np

from ostinato.tokens import BOUNDARY

DISCOUNTS = (0.5, 1.0, 1.5)
"""Used where there is too little text to estimate them."""


@dataclass(frozen=True)
class _Table:
    """A distribution over tokens after each history, to be mixed with that of a shorter history.

    Attributes
    ----------
    discounted : ndarray[float32], shape [n-grams]
        The discounted count of each n-gram, divided by the count of its history.
    rest : ndarray[float32], shape [histories]
        The probability that is left for the shorter history; 1 where nothing followed.
    """

    discounted: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True)
class _Level:
    """All n-grams of one length.

    Attributes
    ----------
    keys : ndarray[int64], shape [n-grams]
        The number of the history, times the number of classes, plus the last token; ascending.
    highest : _Table
        For use as the highest order.
    lower : _Table
        For use below a higher order.
    """

    keys: np.ndarray
    highest: _Table
    lower: _Table


class KneserNey:
    """N-grams of all orders up to a highest one.

    Parameters
    ----------
    streams : list of ndarray of int, shape [any]
        Classes. The first token of each stream is given, not predicted.
    num_classes : int
    max_order : int
        The highest order: the number of tokens in an n-gram, with the predicted one.
    """

    def __init__(self, streams: list[np.ndarray], num_classes: int, max_order: int):
        self.num_classes = num_classes
        tokens = np.concatenate(streams).astype(np.int64)
        known = np.concatenate([_known(stream) for stream in streams])
        places = np.flatnonzero(known)
        begins = np.zeros(num_classes, bool)
        ngrams = _NGrams(np.arange(num_classes), tokens[places], tokens, places, begins)
        self.levels = []
        for order in range(1, max_order + 1):
            raw = np.bincount(ngrams.number, minlength=len(ngrams.keys))
            longer = _longer(ngrams, tokens, known, num_classes, order + 1)
            kinds = np.bincount(ngrams.ending[longer.examples], minlength=len(raw))
            # Nothing stands before an n-gram that begins a piece, so its own count is used.
            counts = np.where(ngrams.begins, raw, kinds)
            histories = ngrams.keys // num_classes
            self.levels.append(
                _Level(ngrams.keys, _table(raw, histories), _table(counts, histories))
            )
            ngrams = longer
            if not len(ngrams.keys):
                break

    def probabilities(self, stream: np.ndarray) -> np.ndarray:
        """Compute the probability of each token, given those before it.

        Parameters
        ----------
        stream : ndarray of int, shape [T]
            Classes; the first one is given.

        Returns
        -------
        ndarray[float64], shape [orders, T - 1]
            From order 1 on.
        """
        tokens, known = stream[1:].astype(np.int64), _known(stream)[1:]
        before = np.zeros(len(tokens), np.int64)
        shorter = np.full(len(tokens), 1 / self.num_classes)
        results = np.empty((len(self.levels), len(tokens)))
        for order, (level, result) in enumerate(zip(self.levels, results, strict=True), 1):
            keys = before * self.num_classes + tokens
            place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            long = known >= order - 1
            seen = long & (before >= 0) & (level.keys[place] == keys)
            result[:] = np.where(long, _mixed(level.highest, before, place, seen, shorter), shorter)
            shorter = np.where(long, _mixed(level.lower, before, place, seen, shorter), shorter)
            ends = np.where(seen, place, -1)
            # The first token of a stream is a history by itself.
            first = int(stream[0]) if order == 1 else -1
            before = np.concatenate([[first], ends[:-1]])
        return results

    def bits(self, stream: np.ndarray) -> np.ndarray:
        """Compute the mean bits per token for each order: ndarray[float64], shape [orders]."""
        return -np.log2(self.probabilities(stream)).mean(1)


def _known(stream: np.ndarray) -> np.ndarray:
    """Count the tokens before each token in its piece, the boundary included."""
    places = np.arange(len(stream))
    boundaries = np.where(stream == BOUNDARY, places, 0)
    return places - np.concatenate([[0], np.maximum.accumulate(boundaries)[:-1]])


@dataclass(frozen=True)
class _NGrams:
    """The n-grams of one length in the training streams.

    Attributes
    ----------
    keys : ndarray[int64], shape [n-grams]
        As in `_Level`. The number of an n-gram is its place here.
    number : ndarray[int64], shape [occurrences]
        The number of the n-gram at each occurrence.
    ending : ndarray[int64], shape [tokens]
        The number of the n-gram that ends at each token; -1 where there is none.
    examples : ndarray[int64], shape [n-grams]
        The token at which the first occurrence ends.
    begins : ndarray[bool], shape [n-grams]
        Whether it stands at the beginning of a piece.
    """

    keys: np.ndarray
    number: np.ndarray
    ending: np.ndarray
    examples: np.ndarray
    begins: np.ndarray


def _longer(
    shorter: _NGrams, tokens: np.ndarray, known: np.ndarray, num_classes: int, order: int
) -> _NGrams:
    """Number the n-grams of an order, given those that are one token shorter."""
    places = np.flatnonzero(known >= order - 1)
    keys = shorter.ending[places - 1] * num_classes + tokens[places]
    keys, first, number = np.unique(keys, return_index=True, return_inverse=True)
    ending = np.full(len(tokens), -1)
    ending[places] = number
    examples = places[first]
    return _NGrams(keys, number, ending, examples, known[examples] == order - 1)


def _table(counts: np.ndarray, histories: np.ndarray) -> _Table:
    taken = np.array([0.0, *_discounts(counts)])[np.minimum(counts, 3)]
    total = np.bincount(histories, counts)
    left = np.bincount(histories, taken)
    rest = np.divide(left, total, out=np.ones_like(total), where=total > 0)
    share = np.divide(counts - taken, total[histories], where=counts > 0, out=np.zeros(len(counts)))
    return _Table(share.astype(np.float32), rest.astype(np.float32))


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
