import numpy as np
import pytest
from making_music import music

from ostinato.scores.wav import RATE
from ostinato.sound.report import descriptors


def mel(sound: np.ndarray) -> np.ndarray:
    return descriptors.mel_spectrogram(sound, descriptors.floor_of(sound))


def test_onsets_are_found_where_they_are_whatever_the_level():
    for level in (1.0, 0.01):
        found = descriptors.onsets(mel(level * music(6, 0)))
        assert found == pytest.approx(np.arange(0.25, 6, 0.5), abs=0.03)


def test_what_only_sounds_on_has_no_onset():
    time = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * time)
    assert len(descriptors.onsets(mel(np.stack([tone, tone]).astype(np.float32)))) == 0


def test_the_centroid_of_a_tone_is_its_frequency_and_silence_does_not_count():
    time = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    floor = descriptors.floor_of(np.stack([tone, tone]))
    padded = np.pad(np.stack([tone, tone]), ((0, 0), (0, 5 * RATE)))
    assert descriptors.centroid(padded, floor) == pytest.approx(1000, rel=0.01)
    assert np.isnan(descriptors.centroid(np.zeros((2, RATE), np.float32), floor))


def test_chroma_begins_with_c():
    time = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    assert descriptors.chroma(np.stack([tone, tone])).argmax() == 9


def test_textures_do_not_depend_on_the_level_and_leave_an_incomplete_window_out():
    sound = music(5.5, 0)
    windows = descriptors.textures(mel(sound), 2)
    assert windows.shape == (2, 3 * descriptors.COEFFICIENTS - 1)
    np.testing.assert_allclose(descriptors.textures(mel(0.1 * sound), 2), windows, atol=0.1)
    assert descriptors.textures(mel(sound[:, :RATE]), 2).shape == (0, windows.shape[1])
