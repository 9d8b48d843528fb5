"""How notes that are found are counted."""

import numpy as np
import pytest

from ostinato.scores.performance import PLAYED
from ostinato.sound.report.transcriber import scores

TRUE = np.array([(i, i + 0.5, 60 + i, 0) for i in range(4)], PLAYED)


def changed(**values: float) -> np.ndarray:
    notes = TRUE.copy()
    for name, value in values.items():
        notes[name] = notes[name] + value
    return notes


def test_notes_are_right_if_pitch_and_start_are():
    assert set(scores(TRUE, TRUE).values()) == {1}
    assert scores(TRUE, changed(start=0.04))["onset_f1"] == 1
    assert scores(TRUE, changed(start=0.06))["onset_f1"] == 0
    assert scores(TRUE, changed(pitch=1))["onset_f1"] < 1
    late = scores(TRUE, changed(end=0.3))
    assert (late["onset_f1"], late["f1"]) == (1, 0)


def test_precision_and_recall_are_told_apart():
    half = scores(TRUE, TRUE[:2])
    assert (half["onset_precision"], half["onset_recall"]) == (1, 0.5)
    assert half["onset_f1"] == pytest.approx(2 / 3)
