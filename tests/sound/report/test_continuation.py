import numpy as np
import pytest
from making_music import music

from ostinato.scores.wav import RATE
from ostinato.sound.report.continuation import FIGURES, describe

GIVEN = music(10, 0)


@pytest.fixture(scope="module")
def again():
    return describe(GIVEN, np.tile(GIVEN, 2))


def test_what_was_given_is_at_no_distance_from_itself(again):
    assert set(again) == set(FIGURES)
    assert again["onset_rate"] == pytest.approx([2, 2], abs=0.11)  # and a click between them
    for figure in ("chroma_distance", "mfcc_distance", "level"):
        assert again[figure] == pytest.approx([0, 0], abs=0.01)


def test_a_loop_repeats_and_other_notes_do_not(again):
    assert again["repetition"] == pytest.approx([1, 1], abs=0.01)
    [other] = describe(GIVEN, music(10, 1))["repetition"]
    assert other < 0.8


def test_figures_say_what_changed(again):
    brighter = describe(GIVEN, music(10, 1, harmonics=20))
    assert brighter["centroid"] > 1.2 * again["centroid"][0]
    assert brighter["mfcc_distance"] > 0.3
    hastier = describe(GIVEN, music(10, 1, every=0.25))
    assert hastier["onset_rate"] == pytest.approx([4], abs=0.2)
    softer = describe(GIVEN, 0.5 * GIVEN)
    assert softer["level"] == pytest.approx([-6.02], abs=0.01)
    higher = describe(GIVEN, np.repeat(GIVEN, 2, axis=1)[:, : 10 * RATE])  # an octave lower
    assert higher["chroma_distance"] < 0.1
    tritone = np.stack([np.interp(np.arange(10 * RATE) * 2**0.5, np.arange(20 * RATE), x)
                        for x in music(20, 0)]).astype(np.float32)  # fmt: skip
    assert describe(GIVEN, tritone)["chroma_distance"] > 0.3


def test_silence_is_far_below_and_has_neither_onsets_nor_a_centroid():
    silence = describe(GIVEN, np.zeros((2, 10 * RATE), np.float32))
    assert silence["onset_rate"] == 0
    assert np.isnan(silence["centroid"])
    assert silence["level"] < -80
    assert all(np.isfinite(silence[f]).all() for f in ("mfcc_distance", "repetition"))


def test_an_incomplete_part_is_left_out():
    assert all(len(values) == 0 for values in describe(GIVEN, GIVEN[:, : 9 * RATE]).values())
    assert all(len(values) == 1 for values in describe(GIVEN, music(19.9, 0)).values())
