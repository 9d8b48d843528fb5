import numpy as np
import pytest

from ostinato.scores.wav import RATE
from ostinato.sound.report import measures


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (2, RATE)).astype(np.float32)


def test_the_scale_does_not_count_for_si_sdr_but_for_snr():
    true = noise(0)
    heard = true + 0.1 * noise(1)
    assert measures.si_sdr(true, heard) == pytest.approx(20, abs=0.1)
    assert measures.si_sdr(true, 0.5 * heard + 0.2) == pytest.approx(20, abs=0.1)
    assert measures.snr([true], [0.5 * heard]) < 7


def test_mel_distance_counts_powers_of_ten_at_each_of_seven_scales():
    true = noise(0)
    assert measures.mel_distance(true, true) == 0
    assert measures.mel_distance(true, 10 * true) == pytest.approx(7, abs=0.01)


def test_silence_is_not_infinitely_far_from_silence():
    assert measures.mel_distance(np.zeros((2, RATE), np.float32), noise(0) * 1e-9) < 0.1
