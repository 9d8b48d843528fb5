from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.tokens import BOUNDARY
from ostinato.tokens.report.kneser_ney import DISCOUNTS, KneserNey

CLASSES = 5


def streams(seed, count=2, length=400):
    """Random streams with some order in them, boundaries included."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        walk = np.cumsum(rng.choice([0, 1, 1, 2], length)) % CLASSES
        walk[0] = BOUNDARY
        found.append(walk.astype(np.uint8))
    return found


def history_of(stream, place):
    """All that is known before a place: tokens from the nearest boundary, or the beginning, on."""
    first = max(n for n in range(place) if n == 0 or stream[n] == BOUNDARY)
    return tuple(map(int, stream[first:place]))


def definition(train, order):
    """Kneser-Ney by its definition: lists of n-grams and one recursion."""
    ngrams, begins = defaultdict(Counter), set()
    for stream in train:
        for place in range(1, len(stream)):
            known = history_of(stream, place)
            for n in range(1, min(len(known) + 1, order) + 1):
                ngram = (*known[len(known) - n + 1 :], int(stream[place]))
                ngrams[n][ngram] += 1
                if n == len(known) + 1:
                    begins.add(ngram)

    @cache
    def counts(n):
        """Raw at the highest order and at the beginning, else the different tokens before it."""
        kinds = Counter(ngram[1:] for ngram in ngrams[n + 1])
        raw = ngrams[n]
        return {
            ngram: raw[ngram] if n == order or ngram in begins else kinds[ngram] for ngram in raw
        }

    def probability(history, token, n=order):
        if n == 0:
            return 1 / CLASSES
        shorter = probability(history, token, n - 1)
        if len(history) < n - 1:
            return shorter
        known = counts(n)
        context = history[len(history) - n + 1 :]
        following = {ngram[-1]: c for ngram, c in known.items() if ngram[:-1] == context and c}
        if not following:
            return shorter
        discount = discounts(known)
        left = sum(discount[min(c, 3)] for c in following.values())
        own = following.get(token, 0)
        return (own - discount[min(own, 3)] + left * shorter) / sum(following.values())

    return probability


def discounts(counts):
    n = Counter(counts.values())
    if not (n[1] and n[2] and n[3]):
        return (0, *DISCOUNTS)
    y = n[1] / (n[1] + 2 * n[2])
    found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    return (0, *found) if all(0 < d <= i for i, d in enumerate(found, 1)) else (0, *DISCOUNTS)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_those_of_the_definition(seed):
    train, [test] = streams(seed), streams(seed + 10, count=1, length=25)
    fast = KneserNey(train, CLASSES, 4).probabilities(test)
    for order in range(1, 5):
        probability = definition(train, order)
        for place in range(1, len(test)):
            expected = probability(history_of(test, place), int(test[place]))
            assert fast[order - 1, place - 1] == pytest.approx(expected, rel=1e-5)


def test_where_little_is_known_longer_n_grams_add_nothing():
    [train], test = streams(1, count=1), np.array([BOUNDARY, 3, 1, BOUNDARY, 2])
    found = KneserNey([train], CLASSES, 6).probabilities(test)
    # Only the highest order counts how often, not after how many: order 2 is that here.
    for place, longest in ((0, 2), (1, 3), (2, 4), (3, 2)):
        assert len(set(found[longest:, place])) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=12), st.integers(0, 99))
def test_probabilities_of_all_tokens_sum_to_one(history, seed):
    model = KneserNey(streams(seed, length=80), CLASSES, 5)
    ends = [np.array([*history, token]) for token in range(CLASSES)]
    found = np.array([model.probabilities(end)[:, -1] for end in ends])
    assert found.sum(0) == pytest.approx(np.ones(5))


def test_what_is_learned_is_more_probable_than_chance():
    [train], [test] = streams(1, count=1, length=4000), streams(2, count=1)
    bits = -np.log2(KneserNey([train], CLASSES, 3).probabilities(test)).mean(1)
    assert bits[1] < 1.6 < bits[0]
