from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import yaml
from making import make_score

from ostinato.scores.score import Part
from ostinato.scores.synthesis import TAIL, render
from ostinato.scores.wav import RATE, write_wav

DEFAULT = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize("program", yaml.safe_load(DEFAULT.read_text())["audio"]["instruments"])
@pytest.mark.parametrize("pitch", [36, 48, 60, 72, 84, 96])
def test_every_instrument_used_is_in_tune(pitch, program):
    """C2 to C7 lie within 50 cents of where they should."""
    score = replace(make_score([(0, 960, pitch)]), parts=[Part("", program)])
    samples = render(score).mean(1)
    held = samples[int(0.2 * RATE) : int(0.9 * RATE)]
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 8 * len(held)))
    strongest = spectrum.argmax() * RATE / (8 * len(held)) / librosa.midi_to_hz(pitch)
    # Organs and harpsichords sound an octave lower or their overtones as loud as the tone itself.
    harmonic = max(0.5, round(2 * strongest) / 2) if strongest < 1 else round(strongest)
    assert harmonic <= 8
    assert abs(1200 * np.log2(strongest / harmonic)) < 50


def test_sound_is_as_long_as_the_score_and_its_tail():
    samples = render(make_score([(0, 480, 60), (1920, 480, 64)]))  # at 100 beats a minute
    assert samples.shape[1] == 2
    assert len(samples) / RATE == pytest.approx(5 * 0.6 + TAIL, abs=0.1)
    assert np.abs(samples[-RATE // 10 :]).max() < 0.05
    assert np.abs(samples).max() == pytest.approx(0.9)


def test_the_same_score_gives_the_same_file(tmp_path):
    score = make_score([(0, 480, 60)])
    for name in ("a.wav", "b.wav"):
        write_wav(tmp_path / name, render(score))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "PCM_16")
