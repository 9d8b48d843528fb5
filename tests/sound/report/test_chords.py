"""What is counted in notes."""

import numpy as np
import pytest

from ostinato.scores.performance import PLAYED
from ostinato.sound.report.chords import describe


def test_chords_voices_and_notes_are_counted():
    rows = [(0, 1, 60), (0.01, 1, 64), (0.02, 1, 67)]  # C major
    rows += [(1, 2, 62), (1, 2, 65), (1, 2, 69), (1, 2, 72)]  # D minor seventh
    rows += [(2, 3, 60), (2, 3, 61), (2, 3, 62), (3, 4, 60), (5, 6, 60)]
    notes = np.array([(*row, 0) for row in rows], PLAYED)
    figures = describe(notes, 0, 4)
    assert figures["notes_a_second"] == 11 / 4
    assert figures["voices"] == (3 + 4 + 3 + 1) / 4
    assert figures["chords"] == pytest.approx(2 / 3)


def test_where_nothing_is_there_is_nothing():
    assert set(describe(np.zeros(0, PLAYED), 0, 10).values()) == {0}
