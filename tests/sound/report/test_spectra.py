"""Pictures of sound."""

import numpy as np
from matplotlib.image import imread

from ostinato.scores.wav import RATE
from ostinato.sound.report import spectra
from ostinato.sound.report.spectra import draw_spectra


def test_a_note_is_a_line_where_it_sounds(tmp_path):
    time = np.arange(4 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * time) * (time > 2)).astype(np.float32)
    path = tmp_path / "tone.png"
    draw_spectra(path, {"a tone": np.stack([tone, tone])}, 1.0)
    picture = imread(path)[..., :3].sum(2)
    height, width = picture.shape
    # Within the axes, left of the mark and right of it.
    columns = [picture[height // 4 : -height // 4, int(share * width)] for share in (0.2, 0.8)]
    assert columns[0].max() < 0.3
    assert columns[1].max() > 2
    assert (columns[1] > 1).sum() < height / 10


def test_sounds_of_any_precision_give_the_same_picture(tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32)
    for name, each in (("one", sound), ("other", sound.astype(np.float64))):
        draw_spectra(tmp_path / f"{name}.png", {"noise": each})
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_long_sound_is_seen_as_if_at_once(monkeypatch):
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 5 * RATE)).astype(np.float32)
    whole = spectra._levels(sound)
    monkeypatch.setattr(spectra, "STRETCH", 50)
    np.testing.assert_allclose(spectra._levels(sound), whole, atol=1e-3)
