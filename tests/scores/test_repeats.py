"""Repeats: bars are named by letters, in the order in which they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.scores.repeats import MOST_BARS, Bar, played

FIRST, SECOND, THIRD = (frozenset({i}) for i in (1, 2, 3))
TWICE, CLOSED = Bar(backward=2), Bar(backward=2, endings=FIRST)


@pytest.mark.parametrize(
    ("bars", "heard"),
    [
        ([Bar(), Bar()], "AB"),
        ([Bar(), TWICE], "ABAB"),
        ([Bar(), Bar(forward=True), TWICE, Bar()], "ABCBCD"),
        ([Bar(), TWICE, Bar(), TWICE], "ABABCDCD"),
        ([Bar(), Bar(backward=3), Bar()], "ABABABC"),
        ([Bar(), CLOSED, Bar(endings=SECOND), Bar()], "ABACD"),
        # The sign after the second ending is for who reads, and repeats nothing.
        ([Bar(), CLOSED, Bar(backward=2, endings=SECOND), TWICE], "ABACDD"),
        ([Bar(), CLOSED, Bar(), Bar()], "ABACD"),
        ([Bar(), Bar(backward=2, endings=FIRST | SECOND), Bar(endings=THIRD)], "ABABAC"),
        (
            [Bar(), Bar(endings=FIRST), CLOSED, Bar(endings=SECOND)],
            "ABCAD",
        ),
        # An ending that no round asks for is played in the last one.
        ([Bar(), CLOSED, Bar(endings=THIRD), Bar()], "ABACD"),
        ([Bar(), Bar(fine=True), Bar(da_capo=True)], "ABCAB"),
        ([Bar(), Bar(da_capo=True)], "ABAB"),
        ([Bar(), Bar(segno=True), Bar(dal_segno=True)], "ABCBC"),
        (
            [Bar(), Bar(segno=True, to_coda=True), Bar(dal_segno=True), Bar(coda=True), Bar()],
            "ABCBDE",
        ),
        # After a jump back, nothing is repeated, and the last ending is played.
        ([Bar(), CLOSED, Bar(endings=SECOND, fine=True), Bar(da_capo=True)], "ABACDAC"),
        ([], ""),
    ],
)  # fmt: skip
def test_bars_are_played_in_their_order(bars, heard):
    assert "".join(chr(ord("A") + bar) for bar in played(bars)) == heard


@given(
    st.lists(
        st.builds(
            Bar,
            forward=st.booleans(),
            backward=st.sampled_from([0, 0, 2, 3]),
            endings=st.frozensets(st.integers(1, 3), max_size=2),
            segno=st.booleans(),
            coda=st.booleans(),
            fine=st.booleans(),
            to_coda=st.booleans(),
            da_capo=st.booleans(),
            dal_segno=st.booleans(),
        ),
        max_size=12,
    )
)
def test_whatever_stands_there_playing_ends(bars):
    assert len(played(bars)) < MOST_BARS
