import pytest

from ostinato.tokens.compose.bars import adds_up

HEAD = "M:3/4\nL:1/8\nK:G\n"


@pytest.mark.parametrize(
    "music",
    [
        "G2B2d2|g6|",
        "D|G2B2d2|g6|g4z:|",
        "D|G2B2d2|g6|g5:|D|g2d2B2|G6|G5|]",
        "G2B2d2|g6|g4||d2|G2B2d2|g6|]",
        "(3GBd g2B2|{a}g6|",
    ],
)
def test_bars_that_are_as_long_as_the_metre_add_up(music):
    assert adds_up(HEAD + music)


@pytest.mark.parametrize(
    "music",
    [
        "G2B2d2|g4|G2B2d2|g6|",  # one beat is missing in the middle
        "G2B2d2|g8|G2B2d2|g6|",  # one too many
        "G2B2d2g8|]",  # no bar line
        "G2||G2||G2||G2||",  # all are short
        "G2B2|d2g4|",  # each of two is at an edge
        "z6|z6|z6|",  # silence
        "G999|G2B2d2|g6|",  # music21 would take minutes
        "",
        "|||:::(((3",
    ],
)
def test_others_do_not(music):
    assert not adds_up(HEAD + music)


def test_nor_does_what_is_no_music():
    assert not adds_up("Let $R$ be a ring.")
