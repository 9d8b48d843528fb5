"""N-grams with Kneser-Ney smoothing: the yardstick of a sequence model.

Chen and Goodman, An empirical study of smoothing techniques for language modeling, Computer Speech
and Language 13 (1999): interpolated, modified (three discounts), all orders from one to the highest
at once. No n-gram reaches back behind the beginning of its piece: where less is known, lower orders
answer. Every distinct n-gram has a number, and everything else is counting by that number.

NLTK's Kneser-Ney has one discount for all counts and goes token by token through Python's dicts;
KenLM's counts are made by programs that pip does not bring.
"""

from dataclasses import dataclass

import numpy as np

from ostinato.tokens import BOUNDARY

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
        known = np.concatenate([_known(stream) for stream in streams])
        places = np.flatnonzero(known)
        grams = _Grams(np.arange(classes), tokens[places], tokens, places, np.zeros(classes, bool))
        self.levels = []
        for order in range(1, most + 1):
            raw = np.bincount(grams.number, minlength=len(grams.keys))
            longer = _longer(grams, tokens, known, classes, order + 1)
            kinds = np.bincount(grams.ending[longer.examples], minlength=len(raw))
            # An n-gram that begins a piece can follow nothing else: it counts as it is.
            counts = np.where(grams.begins, raw, kinds)
            histories = grams.keys // classes
            self.levels.append(
                _Level(grams.keys, _table(raw, histories), _table(counts, histories))
            )
            grams = longer
            if not len(grams.keys):
                break

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
        tokens, known = stream[1:].astype(np.int64), _known(stream)[1:]
        before = np.zeros(len(tokens), np.int64)
        shorter = np.full(len(tokens), 1 / self.classes)
        results = np.empty((len(self.levels), len(tokens)))
        for order, (level, result) in enumerate(zip(self.levels, results, strict=True), 1):
            keys = before * self.classes + tokens
            place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            long = known >= order - 1
            seen = long & (before >= 0) & (level.keys[place] == keys)
            result[:] = np.where(long, _mixed(level.highest, before, place, seen, shorter), shorter)
            shorter = np.where(long, _mixed(level.lower, before, place, seen, shorter), shorter)
            ends = np.where(seen, place, -1)
            # The first token of a stream is known by its class alone.
            first = int(stream[0]) if order == 1 else -1
            before = np.concatenate([[first], ends[:-1]])
        return results


def _known(stream: np.ndarray) -> np.ndarray:
    """Count the tokens before each in its piece, the boundary included; 0 for the first one."""
    places = np.arange(len(stream))
    boundaries = np.where(stream == BOUNDARY, places, 0)
    return places - np.concatenate([[0], np.maximum.accumulate(boundaries)[:-1]])


@dataclass(frozen=True)
class _Grams:
    """The n-grams of one length in the training streams.

    ``keys`` of each distinct one; its ``number``, that is its index among them, for each time that
    it occurs, and for the token of the streams at which it is ``ending`` (-1 where none does); the
    token at which one of the ``examples`` ends; and whether it ``begins`` a piece.
    """

    keys: np.ndarray
    number: np.ndarray
    ending: np.ndarray
    examples: np.ndarray
    begins: np.ndarray


def _longer(
    grams: _Grams, tokens: np.ndarray, known: np.ndarray, classes: int, order: int
) -> _Grams:
    """Number the n-grams of an order, given those that are one token shorter."""
    places = np.flatnonzero(known >= order - 1)
    keys = grams.ending[places - 1] * classes + tokens[places]
    keys, first, number = np.unique(keys, return_index=True, return_inverse=True)
    ending = np.full(len(tokens), -1)
    ending[places] = number
    examples = places[first]
    return _Grams(keys, number, ending, examples, known[examples] == order - 1)


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
