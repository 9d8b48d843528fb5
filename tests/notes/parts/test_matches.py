import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matching import match

from ostinato.notes.parts import matches
from ostinato.notes.parts.matches import LONGEST, UNKNOWN


def check(known: list[int], before: int, reach: int) -> None:
    """Compare with the definition what is found for the step after each but the first so many."""
    codes = torch.tensor(known)[None, :, None]
    state = matches.initial(codes[:, :before], reach)
    found, _ = matches.follow(codes[:, before:], state)
    first = max(before - reach - LONGEST, 0)
    looked = [None if code == UNKNOWN else code for code in known[first:]]
    for step in range(before, len(known)):
        # What was played earlier than that before the sequence is not looked at.
        expected = match(looked, step + 1 - first, reach)
        assert (found.lag[0, step - before, 0], found.length[0, step - before, 0]) == expected


@given(
    st.lists(st.sampled_from([UNKNOWN, 0, 0, 0, 1]), min_size=3, max_size=120),
    st.integers(1, 90),
    st.data(),
)
def test_it_finds_the_last_step_with_the_longest_context(known, reach, data):
    check(known, data.draw(st.integers(0, len(known) - 1)), reach)


@pytest.mark.parametrize("period", [[0], [0, 1], [0, 0, 1], list(range(40))])
@pytest.mark.parametrize("before", [0, 50])
def test_contexts_longer_than_the_longest_count_as_that_long(period, before):
    known = [*period * (150 // len(period)), 2, *period * (100 // len(period))]
    check(known, before, reach=90)


@pytest.mark.parametrize("lengths", [[1] * 60, [7, 20, 33]])
@pytest.mark.parametrize("cached", [1, matches.CACHED])
def test_parts_are_the_same_as_the_whole(lengths, cached, monkeypatch):
    codes = torch.randint(0, 2, (2, 60, 3), generator=torch.Generator().manual_seed(0))
    begin = matches.initial(codes[:, :0], 20)
    whole, after = matches.follow(codes, begin)
    monkeypatch.setattr(matches, "CACHED", cached)
    state, parts = begin, []
    for part in codes.split(lengths, 1):
        found, state = matches.follow(part, state)
        parts.append(found)
    for name in whole._fields:
        assert torch.equal(
            torch.cat([getattr(part, name) for part in parts], 1), getattr(whole, name)
        )
    assert torch.equal(state.run, after.run)
    assert torch.equal(state.codes, after.codes)
