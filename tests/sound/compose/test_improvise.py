"""Improvising: what is given goes over into what is made."""

import numpy as np
import pytest
import torch

from ostinato.scores.wav import PEAK, RATE
from ostinato.sound.compose.improvise import FADE, JOIN, SEED_SAMPLES, improvise


@pytest.fixture
def begun():
    return 0.1 * torch.randn(2, SEED_SAMPLES, generator=torch.Generator().manual_seed(0))


def made(begun, level: float, seconds: float, size: int = 10_000) -> np.ndarray:
    """What is heard when the continuation is constant and comes in parts."""

    def improviser(given, length, seed):
        assert given.dtype == torch.float64
        assert given.abs().max() == pytest.approx(PEAK)
        while True:
            yield torch.full((2, size), level, dtype=torch.float64)

    return np.concatenate(list(improvise(improviser, begun, seconds, 1)), 1)


@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.5])
def test_what_is_given_stays_and_the_rest_has_its_length(begun, seconds):
    heard = made(begun, 0.0, seconds)
    assert heard.dtype == np.float32
    assert heard.shape == (2, SEED_SAMPLES + round(seconds * RATE))
    assert (heard[:, : SEED_SAMPLES - JOIN] == begun[:, :-JOIN].numpy()).all()
    assert (heard[:, SEED_SAMPLES:] == 0).all()


def test_one_fades_into_the_other(begun):
    heard = made(begun, 0.0, 1.0)
    joined = heard[:, SEED_SAMPLES - JOIN : SEED_SAMPLES]
    share = np.linspace(1, 0, JOIN, dtype=np.float32)
    np.testing.assert_allclose(joined, begun[:, -JOIN:].numpy() * share, atol=1e-6)


def test_it_is_as_loud_as_what_is_given(begun):
    quiet = made(begun * 0.01, 0.45, 1.0)[0, SEED_SAMPLES]
    assert quiet == pytest.approx(0.45 / PEAK * 0.01 * begun.abs().max().item(), rel=1e-5)


def test_what_is_too_loud_is_clipped(begun):
    assert made(begun, 99.0, 1.0)[0, SEED_SAMPLES] == 1


def test_the_end_fades(begun):
    """It does so whatever parts the sound comes in."""
    for size in (1_000, 10_000, 10 * RATE):
        heard = made(begun, 0.45, 6.0, size)[0]
        level = heard[-FADE - 1]
        np.testing.assert_allclose(heard[-FADE:] / level, np.linspace(1, 0, FADE), atol=1e-5)
        assert heard[SEED_SAMPLES] == level


def test_nothing_comes_more_than_a_second_at_a_time(begun):
    def improviser(given, length, seed):
        yield torch.zeros(2, 20 * RATE, dtype=torch.float64)

    parts = list(improvise(improviser, begun, 9.0, 1))[1:]
    assert max(part.shape[1] for part in parts) <= RATE
