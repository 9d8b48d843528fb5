"""Tuning: how far music is from concert pitch."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.scores.wav import RATE
from ostinato.sound.parts.tones import SPACING, Tones
from ostinato.sound.parts.tuning import tuning


@given(
    st.floats(-0.45, 0.45),
    st.lists(st.integers(52, 84), min_size=1, max_size=4, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_the_tuning_of_chords_is_found(semitones, pitches):
    frequencies = 440 * 2 ** ((torch.tensor(pitches).double() + semitones - 69) / 12)
    time = torch.arange(RATE) / RATE
    harmonics = torch.arange(1, 5)[:, None, None]
    waves = (2 * math.pi * harmonics * frequencies[:, None] * time).sin() / harmonics
    found = tuning(Tones().power(waves.sum((0, 1)).float()), SPACING).item()
    # Fifth harmonics and tones that beat are a little off.
    assert abs(found - semitones) < 0.06


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_silence_and_noise_have_a_tuning_too(level):
    noise = level * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    found = tuning(Tones().power(noise), SPACING).item()
    assert abs(found) <= 0.5
    if not level:
        assert found == 0
