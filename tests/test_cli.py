import numpy as np
import pytest
import soundfile
import torch

from ostinato import autoencoders, score_creators
from ostinato.audio.sound import FRAME, RATE
from ostinato.cli import main
from ostinato.models import write_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    config = {"name": "conv", "content": 8, "width": 8}
    autoencoder = autoencoders.build(config)
    autoencoder.start(0.1 * torch.randn(8, 2, 8 * FRAME + autoencoder.overlap))
    write_model(folder / "autoencoder", autoencoder, {"autoencoder": config})
    config = {"name": "lstm", "hidden": 8, "flow": 8}
    creator = score_creators.build(config, 8)
    write_model(folder / "score_creator", creator, {"size": 8, "score_creator": config})
    return folder


def song(path, seconds: float, rate: int = RATE):
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate))
    soundfile.write(path, noise, rate)
    return str(path)


def test_a_song_goes_on(models, tmp_path):
    """Mono, at another rate, and longer than what is read of it."""
    out = tmp_path / "out.wav"
    arguments = [song(tmp_path / "song.flac", 13, 22_050), "--models", str(models)]
    main(["improvise", *arguments, "-o", str(out), "--seconds", "2"])
    sound, rate = soundfile.read(out)
    assert (rate, sound.shape) == (RATE, (12 * RATE, 2))
    again, other = tmp_path / "again.wav", tmp_path / "other.wav"
    main(["improvise", *arguments, "-o", str(again), "--seconds", "2"])
    main(["improvise", *arguments, "-o", str(other), "--seconds", "2", "--seed", "2"])
    assert again.read_bytes() == out.read_bytes()
    assert other.read_bytes() != out.read_bytes()


def test_mistakes_are_one_line(models, tmp_path):
    good, short, text = tmp_path / "good.wav", tmp_path / "short.wav", tmp_path / "text.wav"
    song(good, 11)
    song(short, 3)
    text.write_text("no sound")
    out = tmp_path / "out.wav"
    for source, target, folder, line in [
        (short, out, models, "3.00 s of sound, shorter than the 10 s that are needed"),
        (text, out, models, "not a sound file that can be read"),
        (tmp_path / "none.wav", out, models, "no such file"),
        (good, tmp_path / "out.mp3", models, "only .wav files are written"),
        (good, out, tmp_path, "holds no model; `dvc pull --allow-missing`"),
    ]:
        with pytest.raises(SystemExit) as error:
            main(["improvise", str(source), "-o", str(target), "--models", str(folder)])
        assert line in str(error.value)
        assert "\n" not in str(error.value)
    assert not out.exists()
