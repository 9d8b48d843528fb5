import os
import tracemalloc
from fractions import Fraction

import av
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


def film(
    path, *tracks: np.ndarray, codec: str = "aac", rate: int = RATE, pictures: int = 5, options=None
):
    """Write a file of sound tracks, of which the last is the default one, and of pictures."""
    layouts = {1: "mono", 2: "stereo", 6: "5.1"}
    kind = {".aac": "adts"}.get(path.suffix)
    with av.open(str(path), "w", kind, options) as file:
        streams = [file.add_stream(codec, rate, layout=layouts[t.shape[1]]) for t in tracks]
        for stream in streams:
            stream.disposition = av.stream.Disposition.default if stream is streams[-1] else 0
        if pictures:
            seen = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")
            seen.time_base = Fraction(1, 5)
            stream = file.add_stream("libvpx" if path.suffix == ".webm" else "mpeg4", 5)
            stream.width = stream.height = 32
            for seen.pts in range(pictures):
                file.mux(stream.encode(seen))
            file.mux(stream.encode())
        for stream, sound in zip(streams, tracks, strict=True):
            packed = sound.astype(np.float32).reshape(1, -1)
            heard = av.AudioFrame.from_ndarray(packed, "flt", layouts[sound.shape[1]])
            heard.sample_rate, heard.pts, heard.time_base = rate, 0, Fraction(1, rate)
            file.mux(stream.encode(heard))
            file.mux(stream.encode())


def both(seconds: float, rate: int = RATE) -> np.ndarray:
    """Sound that differs left and right."""
    return np.stack([tone(seconds, rate), tone(seconds, rate, 880)], 1)


def loudness(sound: np.ndarray, hertz: int) -> np.ndarray:
    """The amplitude of a tone in each channel, of the second that begins after half of one."""
    second = sound[RATE // 2 : RATE // 2 + RATE]
    return np.abs(np.fft.rfft(second, axis=0))[hertz] * 2 / RATE


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
    soundfile.write(tmp_path / "a.wav", both(1), RATE)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), both(1), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "pictures"),
    [
        ("memo.m4a", "aac", RATE, 0),
        ("memo.m4a", "alac", RATE, 0),
        ("memo.aac", "aac", RATE, 0),
        ("film.mp4", "aac", 48_000, 5),
        ("film.mov", "pcm_s16le", 48_000, 5),
        ("film.mkv", "ac3", 48_000, 5),
        ("film.webm", "libopus", 48_000, 5),
    ],
)
def test_the_sound_of_phones_and_of_videos(tmp_path, name, codec, rate, pictures):
    film(tmp_path / name, both(2, rate), codec=codec, rate=rate, pictures=pictures)
    sound = read(tmp_path / name)
    assert len(sound) / RATE == pytest.approx(2, abs=0.1)
    np.testing.assert_allclose(loudness(sound, 440), [0.5, 0], atol=0.02)
    np.testing.assert_allclose(loudness(sound, 880), [0, 0.5], atol=0.02)


def test_of_several_sound_tracks_the_default_one_is_read(tmp_path):
    film(tmp_path / "a.mkv", tone(2)[:, None], tone(2, hertz=880)[:, None])
    assert loudness(read(tmp_path / "a.mkv"), 880)[0] == pytest.approx(0.5, abs=0.02)


def test_names_need_not_be_utf_8_and_may_have_a_colon(tmp_path):
    for name in (b"caf\xe9.flac", b"caf\xe9.m4a", b"a:b.m4a"):
        path = tmp_path / os.fsdecode(name)
        made = tmp_path / f"a{path.suffix}"
        if path.suffix == ".flac":
            soundfile.write(made, both(1), RATE)
        else:
            film(made, both(1), pictures=0)
        made.rename(path)
        assert len(read(path)) / RATE == pytest.approx(1, abs=0.1)


def channels(count: int) -> np.ndarray:
    """A tone for each channel, of 300 Hz in the first, 400 Hz in the second and so on."""
    return np.stack([tone(2, hertz=300 + 100 * channel) for channel in range(count)], 1)


HALF = 0.5**0.5
MIXED = {
    "3": [[1, 0], [0, 1], [HALF, HALF]],
    "4": [[1, 0], [0, 1], [HALF, 0], [0, HALF]],
    "6": [[1, 0], [0, 1], [HALF, HALF], [0, 0], [HALF, 0], [0, HALF]],
    "8": [[1, 0], [0, 1], [HALF, HALF], [0, 0], [HALF, 0], [0, HALF], [HALF, 0], [0, HALF]],
}
"""Shares of each channel left and right, by ITU-R BS.775, before all is made quieter."""


@pytest.mark.parametrize("count", MIXED)
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_more_than_two_channels_are_mixed_down(tmp_path, kind, count):
    """WAV without names of its channels, FLAC with a fixed order."""
    soundfile.write(tmp_path / "a", channels(int(count)), RATE, format=kind)
    sound = read(tmp_path / "a")
    shares = np.array(MIXED[count])
    expected = 0.5 * shares / shares.sum(0)
    heard = [loudness(sound, 300 + 100 * channel) for channel in range(int(count))]
    np.testing.assert_allclose(heard, expected, atol=1e-3)


def test_named_channels_are_mixed_down_by_their_names(tmp_path):
    """Vorbis has the centre as its second channel; AAC as its first, and FFmpeg as its third."""
    soundfile.write(tmp_path / "a.ogg", channels(6), RATE)
    film(tmp_path / "a.m4a", channels(6), pictures=0)
    for name, centre in (("a.ogg", 400), ("a.m4a", 500)):
        left, right = loudness(read(tmp_path / name), centre)
        assert left == pytest.approx(right, abs=0.01)
        assert left == pytest.approx(0.5 * HALF / (1 + 2 * HALF), abs=0.02)


def test_a_mix_is_not_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones((RATE, 6)), RATE, format="WAVEX")
    assert read(tmp_path / "a.wav")[1000:-1000].max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM"])
@pytest.mark.parametrize("sizes", [(0, 0), (36, 0), (2**32 - 1, 2**32 - 1), (0, 2**31 - 4096)])
def test_a_wav_file_whose_recorder_crashed_is_read_to_its_end(tmp_path, subtype, sizes):
    """Its header has what stood there before the sizes of all and of the samples were known."""
    path = tmp_path / "a.wav"
    soundfile.write(path, both(2), RATE, subtype=subtype)
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[4:8], data[place : place + 4] = (size.to_bytes(4, "little") for size in sizes)
    path.write_bytes(data)
    sound = read(path)
    assert len(sound) / RATE == pytest.approx(2, abs=0.05)
    np.testing.assert_allclose(loudness(sound, 440), [0.5, 0], atol=0.02)


def test_a_flac_file_without_a_length_is_read_to_its_end(tmp_path):
    """As programs write it that do not know how much will come."""
    path = tmp_path / "a.flac"
    soundfile.write(path, both(2), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_allclose(read(path), both(2), atol=1e-4)


@pytest.mark.parametrize("name", ["a.aac", "a.mkv", "fragments.mp4", "a.wav"])
def test_what_ends_in_the_middle_is_read_so_far_where_recorders_stop_like_that(tmp_path, name):
    path = tmp_path / name
    if name == "a.wav":
        soundfile.write(path, both(2), RATE)
    else:
        pictures = 0 if name == "a.aac" else 5
        film(path, both(2), pictures=pictures, options={"movflags": "frag_keyframe+empty_moov"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert 1 < len(read(path)) / RATE < 1.9


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
    elif name == "twelve channels":
        soundfile.write(path, np.tile(tone(1)[:, None], 12), RATE)
    elif name == "not a number":
        sound = tone(1)
        sound[RATE // 2] = np.nan
        soundfile.write(path, sound, RATE, subtype="FLOAT")
    elif name == "truncated":
        path = path.with_suffix(".flac")
        noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE)
        soundfile.write(path, noise, RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "no sound":
        path = path.with_suffix(".mp4")
        film(path)
    elif name == "cut":
        path = path.with_suffix(".mp4")
        film(path, both(2))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "cut after its index":
        path = path.with_suffix(".mp4")
        film(path, both(2), options={"movflags": "faststart"})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "with a hole":
        path = path.with_suffix(".mp4")
        film(path, both(2), pictures=0)
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
        path.write_bytes(data)
    elif name == "unknown code":
        path = path.with_suffix(".mkv")
        film(path, both(2))
        path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XXX"))
    return path


REASONS = {
    "text": "not a sound file or video that can be read",
    "nothing": "not a sound file or video that can be read",
    "silent": "silent",
    "no samples": "0 samples, less than a quarter of a second",
    "one sample": "1 samples, less than a quarter of a second",
    "twelve channels": "12 channels without names; mix them down to one or two",
    "not a number": "holds samples that are no finite numbers",
    "truncated": "damaged between 0 and 10 s",
    "no sound": "a video without sound",
    "cut": "an MP4 file without its index: cut, or damaged",
    "cut after its index": r"cut: it ends after \d\.\d\d s",
    "with a hole": r"damaged after \d\.\d\d s",
    "unknown code": "its sound is coded in an unknown way",
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
    with pytest.raises(UserError, match=r"audio\.folder: .* holds no file; put sound files"):
        collection.build_recorded(tmp_path, tmp_path)


def test_a_start_that_is_too_short_or_silent(tmp_path):
    soundfile.write(tmp_path / "short.wav", tone(2), RATE)
    with pytest.raises(UnreadableSound, match=r"2\.00 s of sound, shorter than the 10 s"):
        read_start(tmp_path / "short.wav", 10 * RATE)
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(11 * RATE), tone(1)), RATE)
    with pytest.raises(UnreadableSound, match="silent in its first 10 s"):
        read_start(tmp_path / "late.wav", 10 * RATE)


def test_a_start_that_is_too_loud_is_scaled_down(tmp_path):
    """Samples that are floating-point numbers may be beyond 1, which a WAV file of ours clips."""
    soundfile.write(tmp_path / "loud.wav", 8 * both(2), RATE, subtype="FLOAT")
    start = read_start(tmp_path / "loud.wav", RATE)
    np.testing.assert_allclose(start, 2 * both(1).T, atol=1e-3)


@pytest.mark.parametrize(("count", "size"), [(2, 500_000_000), (8, 200_000_000)])
def test_a_large_file_is_not_held_in_memory(tmp_path, count, size):
    """Silence as a file with a hole, read to its end by libsndfile and by FFmpeg."""
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, count, "PCM_16") as file:
        file.write(np.zeros((10, count)))
    header = bytearray(path.read_bytes()[:44])
    header[4:8] = (size + 36).to_bytes(4, "little")
    header[40:44] = size.to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + size)
    tracemalloc.start()
    assert sum(len(block) for block in read_blocks(path)) == size // (2 * count)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
