import tracemalloc

import numpy as np
import pytest
import soundfile

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.wav import RATE
from ostinato.sound.data import collection
from ostinato.sound.data.recordings import UnreadableSound, read_blocks, read_start
from ostinato.sound.data.sound import Sounds


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def read(path) -> np.ndarray:
    return np.concatenate(list(read_blocks(path)))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_mono_file_of_any_rate_becomes_stereo_of_ours(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(12, 8000), 8000)
    sound = read(path)
    assert len(sound) / RATE == pytest.approx(12, abs=0.1)
    np.testing.assert_array_equal(sound[:, 0], sound[:, 1])
    spectrum = np.abs(np.fft.rfft(sound[RATE : 2 * RATE, 0]))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_left_stays_left(tmp_path):
    both = np.stack([tone(1), tone(1, hertz=880)], 1)
    soundfile.write(tmp_path / "a.wav", both, RATE)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), both, atol=1e-4)


def damaged(folder, name: str):
    path = folder / f"{name}.wav"
    if name == "text":
        path.write_text("This is no sound.")
    elif name == "nothing":
        path.write_bytes(b"")
    elif name == "silent":
        soundfile.write(path, np.zeros(2 * RATE), RATE)
    elif name == "no samples":
        soundfile.write(path, np.zeros(0), RATE)
    elif name == "one sample":
        soundfile.write(path, np.ones(1), RATE)
    elif name == "six channels":
        soundfile.write(path, np.tile(tone(1)[:, None], 6), RATE)
    elif name == "not a number":
        sound = tone(1)
        sound[RATE // 2] = np.nan
        soundfile.write(path, sound, RATE, subtype="FLOAT")
    elif name == "truncated":
        path = path.with_suffix(".flac")
        noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE)
        soundfile.write(path, noise, RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


REASONS = {
    "text": "not a sound file that can be read: Format not recognised",
    "nothing": "not a sound file that can be read",
    "silent": "silent",
    "no samples": "0 samples, less than a quarter of a second",
    "one sample": "1 samples, less than a quarter of a second",
    "six channels": "6 channels; mix it down to one or two",
    "not a number": "holds samples that are no finite numbers",
    "truncated": "(ends after|not a sound file that can be read)",
}


def test_bad_files_among_good_ones_are_listed_and_leave_nothing_behind(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for name in REASONS:
        damaged(folder, name)
    for number in range(3):
        soundfile.write(folder / f"good {number}.wav", tone(1 + number), RATE)
    soundfile.write(folder / "the same.wav", tone(1), RATE)
    collection.build_recorded(out, folder)
    rejected = {row["source"]: row["reason"] for row in files.read_table(out / "rejected.csv")}
    assert rejected.pop("the same.wav") == "the same sound as good 0.wav"
    assert set(rejected) == {damaged(folder, name).name for name in REASONS}
    sounds = Sounds(out)
    assert sorted(sounds.samples) == [RATE, 2 * RATE, 3 * RATE]
    assert set(sounds.split) == {"train", "valid", "test"}
    held_out = tmp_path / "held out"
    held_out.mkdir()
    collection.build_recorded(held_out, folder, ["test"])
    assert Sounds(held_out).id == [sounds.id[index] for index in sounds.of("test")]
    assert (out / "sound.pcm").stat().st_size == sum(sounds.samples) * 4
    for index in range(3):
        expected = 1.8 * tone(sounds.samples[index] / RATE)
        np.testing.assert_allclose(sounds.piece(index)[0], expected, atol=1e-4)


@pytest.mark.parametrize("name", REASONS)
def test_each_bad_file_has_its_reason(tmp_path, name):
    path = damaged(tmp_path, name)
    with pytest.raises(UserError, match="holds 0 usable recordings, 3 are needed") as error:
        collection.build_recorded(tmp_path, tmp_path)
    with pytest.raises(UserError, match=f"; {path.name}: {REASONS[name]}"):
        raise error.value


def test_an_empty_folder_says_what_to_put_there(tmp_path):
    with pytest.raises(UserError, match=r"audio\.folder: .* holds no file; put WAV"):
        collection.build_recorded(tmp_path, tmp_path)


def test_a_start_that_is_too_short_or_silent(tmp_path):
    soundfile.write(tmp_path / "short.wav", tone(2), RATE)
    with pytest.raises(UnreadableSound, match=r"2\.00 s of sound, shorter than the 10 s"):
        read_start(tmp_path / "short.wav", 10 * RATE)
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(11 * RATE), tone(1)), RATE)
    with pytest.raises(UnreadableSound, match="silent in its first 10 s"):
        read_start(tmp_path / "late.wav", 10 * RATE)


def test_a_large_file_is_not_held_in_memory(tmp_path):
    """Half a gigabyte of silence as a file with a hole, read to their end."""
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        file.write(np.zeros((10, 2)))
    header = bytearray(path.read_bytes()[:44])
    size = 500_000_000
    header[4:8] = (size + 36).to_bytes(4, "little")
    header[40:44] = size.to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + size)
    tracemalloc.start()
    assert sum(len(block) for block in read_blocks(path)) == size // 4
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
