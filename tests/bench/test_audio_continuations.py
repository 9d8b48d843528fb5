from types import SimpleNamespace

import audio_continuations as bench
import numpy as np
import pytest

from ostinato.scores.wav import RATE
from ostinato.sound.compose.improvise import SEED_SAMPLES


def test_pieces_end_with_their_last_whole_part_before_the_end_of_the_music():
    lengths = np.array([45, 41, 100, 21, 60]) * RATE
    sounds = SimpleNamespace(
        id=list("abcde"),
        samples=lengths,
        of=lambda split: [0, 1, 2, 3],
        piece=lambda i, first, samples: np.zeros((2, samples), np.float32),
    )
    found = bench.held_out(sounds, 3, 30)
    assert [(piece.id, piece.sound.shape[1] // RATE) for piece in found] == [
        ("c", 40),
        ("a", 40),
        ("b", 30),
    ]


def test_a_loop_is_as_long_as_the_truth_and_knows_what_was_given_alone():
    piece = np.arange(2 * 25 * RATE).reshape(2, -1)
    heard = bench.loop(piece, 0)
    assert heard.shape == (2, 25 * RATE - SEED_SAMPLES)
    assert (heard == np.tile(piece[:, :SEED_SAMPLES], 2)[:, : 15 * RATE]).all()


def test_an_aim_is_reached_if_it_is_in_every_part_by_the_median_piece():
    true = [{"onset_rate": np.array([2.0, 2.0])}, {"onset_rate": np.array([4.0])}]
    near = [{"onset_rate": np.array([2.2, 2.4])}, {"onset_rate": np.array([4.4])}]
    line = bench.line("onset_rate", true, near)
    assert "3.3 (10 %) | 2.4 (20 %)" in line
    assert line.endswith("yes |")
    near[0]["onset_rate"][1] = 3.0
    assert bench.line("onset_rate", true, near).endswith("no |")


def test_silence_is_infinitely_far_off():
    true, silent = np.array([1000.0]), np.array([np.nan])
    assert bench.off("centroid", true, silent) == np.inf
    assert bench.off("level", true, np.array([-5.0])) == pytest.approx(5)
    assert bench.off("chroma_distance", np.array([0.1]), np.array([0.3])) == pytest.approx(3)
