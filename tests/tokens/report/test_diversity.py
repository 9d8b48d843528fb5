import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ostinato.tokens.report.diversity import Diversity

PIECE = st.lists(st.integers(1, 3), max_size=12)


def stretches(pieces, length):
    return [tuple(p[i : i + length]) for p in pieces for i in range(len(p) - length + 1)]


@given(st.lists(PIECE, min_size=1, max_size=4), st.lists(PIECE, min_size=1), st.integers(1, 9))
def test_metrics_are_those_of_counting_one_by_one(pieces, known, length):
    streams = [np.array([0, *(t for piece in known for t in [*piece, 0])], np.uint8)] * 2
    diversity = Diversity(pieces, streams)
    written, learned = stretches(pieces, length), set(stretches(known, length))
    new = [stretch not in learned for stretch in written]
    assert diversity.distinct(length) == len(set(written)) / max(len(written), 1)
    assert diversity.novelty(length) == (np.mean(new) if new else 0)
    longest = [n for n in range(1, 13) if set(stretches(pieces, n)) & set(stretches(known, n))]
    assert diversity.longest_copy() == max(longest, default=0)
