from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.tokens.ngrams import BOUNDARY, DISCOUNTS, KneserNey

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


def history_of(stream, place, length):
    """The tokens before a place, none from before the boundary that is nearest."""
    history = []
    for token in stream[max(place - length, 0) : place][::-1]:
        history.insert(0, int(token))
        if token == BOUNDARY:
            break
    return tuple(history)


def slow(train, order, history, token):
    """Kneser-Ney by its definition, from lists of n-grams and one recursion."""
    grams = defaultdict(Counter)
    for stream in train:
        for place in range(1, len(stream)):
            # A stream's first token counts as its beginning, whatever it is.
            for n in range(1, order + 1):
                before = history_of(stream, place, n - 1)
                grams[n][(len(before) < n - 1, before), int(stream[place])] += 1

    def counts(n):
        """Raw at the highest order, else the number of different tokens before it."""
        if n == order:
            return grams[n]
        kinds = Counter()
        for (short, before), last in grams[n + 1]:
            kinds[(short, before) if short else (len(before[1:]) < n - 1, before[1:]), last] += 1
        return Counter(
            {
                gram: grams[n][gram]
                if gram[0][0] or (gram[0][1] and gram[0][1][0] == BOUNDARY)
                else kinds[gram]
                for gram in grams[n]
            }
        )

    def probability(n, before):
        if n == 0:
            return 1 / CLASSES
        known = counts(n)
        kept = before[-(n - 1) :] if n > 1 else ()
        context = (len(kept) < n - 1, kept)
        following = {last: c for (h, last), c in known.items() if h == context}
        shorter = probability(n - 1, before)
        if not following:
            return shorter
        discount = discounts(known)
        left = sum(discount[min(c, 3)] for c in following.values())
        own = following.get(token, 0)
        total = sum(following.values())
        return (own - discount[min(own, 3)] + left * shorter) / total

    return probability(order, history)


def discounts(counts):
    n = Counter(counts.values())
    if not (n[1] and n[2] and n[3]):
        return (0, *DISCOUNTS)
    y = n[1] / (n[1] + 2 * n[2])
    found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    return (0, *found) if all(0 < d <= i for i, d in enumerate(found, 1)) else (0, *DISCOUNTS)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_those_of_the_definition(seed):
    train, [test] = streams(seed), streams(seed + 10, count=1, length=60)
    fast = KneserNey(train, CLASSES, 4).probabilities(test)
    for order in range(1, 5):
        for place in range(1, len(test)):
            before = history_of(test, place, order - 1)
            expected = slow(train, order, before, int(test[place]))
            assert fast[order - 1, place - 1] == pytest.approx(expected)


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
