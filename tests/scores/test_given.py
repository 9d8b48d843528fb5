"""What of a piece was given."""

import numpy as np
import pytest
from making import melody

from ostinato.scores import given


@pytest.mark.parametrize(
    ("words", "which"),
    [
        ("", lambda notes: notes["onset"] < 0),
        (given.before(960), lambda notes: notes["onset"] < 960),
        (given.part(0), lambda notes: notes["part"] == 0),
        (given.part(1), lambda notes: notes["part"] == 1),
        (given.outside(480, 1920), lambda n: (n["onset"] < 480) | (n["onset"] >= 1920)),
    ],
)
def test_words_name_the_notes_that_were_given(words, which):
    score = melody(1)
    score.notes["part"] = np.arange(len(score.notes)) % 2
    assert given.mask(score, words).tolist() == which(score.notes).tolist()


def test_only_beginnings_have_an_end():
    assert given.beginning(given.before(960)) == 960
    assert given.beginning(given.part(1)) == given.beginning("") == 0
