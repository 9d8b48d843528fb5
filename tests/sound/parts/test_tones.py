"""Partials and noise: what spectra are expected of them is what is heard."""

import math

import numpy as np
import pytest
import torch

from ostinato.scores.wav import RATE
from ostinato.sound.parts import tones
from ostinato.sound.parts.tones import BANDS, BINS, HOP, WINDOW, Levels, Noise, Tones

A4 = 69 - tones.LOWEST
FIRST = len(tones.BETWEEN)


def test_sine_waves_are_those_of_the_textbook():
    frequencies = torch.tensor([440.0, 1234.5]).double()
    levels = torch.tensor([[0.1, 0.3], [0.2, 0.3], [0.2, 0.0]]).double()
    phases = torch.tensor([[0.0, 1.0]]).double()
    heard = tones.partial_waves(levels.log()[None], frequencies, phases)[0].numpy()
    time = np.arange(2 * HOP) / RATE
    knots = np.arange(3) * HOP / RATE
    wanted = sum(
        np.interp(time, knots, levels[:, i].numpy())
        * np.cos(2 * np.pi * frequencies[i].item() * time + phases[0, i].item())
        for i in (0, 1)
    )
    np.testing.assert_allclose(heard, wanted, atol=1e-12)


def test_the_expected_spectrum_of_a_note_is_that_of_its_sound():
    geometry = Tones()
    partials = torch.full((1, len(tones.MULTIPLES)), -math.inf)
    partials[0, FIRST : FIRST + 5] = torch.tensor([0.5, 0.4, 0.1, 0.2, 0.05]).log()
    frequencies = geometry.frequencies[A4][None] * 1.003
    one = torch.zeros(1, dtype=torch.long)
    tonal, _ = geometry.expected(
        Levels(partials.expand(9, -1), torch.full((9, BANDS), -math.inf)),
        frequencies,
        one,
        one,
        tones.mixed(torch.tensor([4.3]), one, one, one + 9),
        1,
    )
    steady = partials.expand(6, -1)[None].double()
    wave = tones.partial_waves(steady, frequencies[0].double(), torch.zeros(1, 100).double())
    true = geometry.power(wave[0, :WINDOW].float())[0]
    loud = true > 1e-5
    assert loud.sum() >= 15
    # A main lobe is all that is expected of a partial.
    assert (10 * (tonal[0][loud] / true[loud]).log10()).abs().max() < 0.3


@pytest.mark.parametrize("begins", [0.0, 1.2, 2.8, 3.5])
def test_what_is_seen_of_a_note_that_begins_is_what_is_heard(begins):
    """A note that swells and fades, in windows around its beginning."""
    geometry = Tones()
    curve = torch.tensor([0.05, 0.2, 0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    levels = torch.full((len(curve), len(tones.MULTIPLES)), -math.inf)
    levels[:, FIRST] = curve.log()
    frequencies = geometry.frequencies[A4][None]
    wave = tones.partial_waves(
        levels[None].double(), frequencies[0].double(), torch.zeros(1, 100).double()
    )[0]
    silent = torch.zeros(WINDOW // 2 + round(begins * HOP)).double()
    heard = geometry.power(torch.cat([silent, wave]).float())[:6]
    rows = torch.arange(6)
    same = torch.zeros(6, dtype=torch.long)
    mix = tones.mixed(rows - begins, same, same, same + len(curve))
    off = Levels(levels, torch.full((len(curve), BANDS), -math.inf))
    tonal, _ = geometry.expected(off, frequencies, same, rows, mix, 6)
    peak = round(440 / tones.SPACING)
    found, true = (each[:, peak].sqrt() for each in (tonal, heard))
    torch.testing.assert_close(found, true, atol=0.015, rtol=0.04)


def test_noise_is_as_loud_as_asked_for():
    geometry = Tones()
    amplitudes = torch.rand(BANDS, generator=torch.Generator().manual_seed(1)).double() / 2 + 0.5
    white = torch.randn(1, 401 * HOP, generator=torch.Generator().manual_seed(2)).double()
    heard = Noise(geometry)(white, amplitudes.expand(1, 400, BANDS))[0, HOP:-HOP]
    found = geometry.in_bands(geometry.power(heard.float())).mean(0)
    ratio = 10 * (found / amplitudes.square()).log10()
    # Bands are told apart less sharply than they are asked for.
    assert ratio.abs().max() < 1.5


def test_half_a_window_has_come_when_a_note_begins():
    age = torch.tensor([-5.0, -tones.BEFORE, -1, 0, 1, tones.BEFORE, 9])
    share = tones.share_seen(age)
    torch.testing.assert_close(share[:2], torch.zeros(2))
    torch.testing.assert_close(share[3], torch.tensor(0.5))
    torch.testing.assert_close(share[5:], torch.ones(2))
    window = Tones().window
    later = window[WINDOW // 2 - HOP :].sum() / window.sum()  # one hop after the beginning
    torch.testing.assert_close(share[4], later, atol=1e-3, rtol=0)


def test_partials_that_cannot_be_heard_are_silent():
    geometry = Tones()
    zeros = torch.zeros(2, tones.FREE), torch.zeros(2, BANDS), torch.zeros(2, BANDS)
    keys = torch.tensor([0, 87])
    levels = geometry.levels(keys, torch.zeros(2, 20), *zeros)
    sounds = torch.isfinite(levels.partials)
    # 27.5 Hz has no octave below; of 4186 Hz, three harmonics are below 15.5 kHz.
    assert sounds[0, : FIRST + 2].tolist() == [False, True, True, True, False, True]
    assert sounds[1, FIRST:].sum() == 3
    assert geometry.bands.sum(0).max() <= 1
    assert math.isclose(geometry.importance.sum().item(), 1, rel_tol=1e-5)
    assert geometry.bands.shape == (BANDS, BINS)
