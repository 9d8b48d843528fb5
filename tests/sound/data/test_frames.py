from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
import torch

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.performance import PLAYED
from ostinato.scores.wav import RATE
from ostinato.sound.data import frames
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.data.sound import FRAME

NUMBER = 1e-4


class Sounds:
    """Pieces of noise, each with silence before and a fading end, and a click behind it.

    The first sample of a frame is its number.
    """

    def __init__(self, counts: dict[str, int]):
        self.split = list(counts)
        self.id = [f"piece-{split}" for split in counts]
        self.counts = list(counts.values())

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def samples(self) -> np.ndarray:
        return (np.array(self.counts) + 7) * FRAME + 100

    def piece(self, index: int, first: int, samples: int) -> np.ndarray:
        return self._whole(index)[:, first : first + samples].astype(np.float32)

    def notes(self, index: int) -> np.ndarray | None:
        """Those of the first piece are known."""
        return None if index else np.array([(1.0, 2.0, 60, 19)], PLAYED)

    @cache  # noqa: B019
    def _whole(self, index: int) -> np.ndarray:
        levels = np.repeat([1e-6, 0.5, 0.05], [3, self.counts[index], 4])
        noise = np.random.default_rng(index).normal(size=(2, len(levels) * FRAME + 100))
        sound = noise * np.append(np.repeat(levels, FRAME), [0.5] * 100)
        sound[:, : len(levels) * FRAME : FRAME] = NUMBER * np.arange(len(levels))
        return sound


class Counting(torch.nn.Module):
    """An autoencoder that finds the number of each frame."""

    content = 2

    def encode(self, sound: torch.Tensor) -> torch.Tensor:
        number = (sound[0, ::FRAME] / NUMBER).round()
        return torch.stack([number, -number, 100 + number], 1)


class Listening(torch.nn.Module):
    """A transcriber that finds a note a second, of no length."""

    def transcribe(self, parts: Iterable[torch.Tensor]) -> np.ndarray:
        seconds = sum(part.shape[1] for part in parts) // RATE
        return np.array([(second, second, 60, 0) for second in range(seconds)], PLAYED)


@pytest.mark.parametrize("stretch", [7, 1000])
def test_only_contents_of_frames_with_music_are_kept(tmp_path, monkeypatch, stretch):
    monkeypatch.setattr(frames, "STRETCH", stretch)
    frames.build(tmp_path, Sounds({"train": 60, "valid": 50, "test": 45}), Counting(), Listening())
    kept = np.load(tmp_path / "frames.npy")
    expected = np.concatenate([3 + np.arange(n) for n in (60, 50, 45)])
    np.testing.assert_array_equal(kept, np.stack([expected, -expected], 1))
    rows = files.read_table(tmp_path / "songs.csv")
    assert [(row["first"], row["frames"]) for row in rows] == [
        ("0", "60"),
        ("60", "50"),
        ("110", "45"),
    ]


def test_notes_are_known_or_found(tmp_path):
    sounds = Sounds({"train": 60, "valid": 50, "test": 45})
    frames.build(tmp_path, sounds, Counting(), Listening())
    played = frames.played_in(tmp_path)
    assert played["piece-train"].tolist() == [(1.0, 2.0, 60, 19)]
    counts = [len(played[f"piece-{split}"]) for split in ("valid", "test")]
    assert counts == (sounds.samples[1:] // RATE).tolist()


class Loudness(torch.nn.Module):
    """An autoencoder of two numbers a frame, which other processors compute a little differently.

    Parameters
    ----------
    error : float
        By how much.
    """

    content = 2

    def __init__(self, error: float):
        super().__init__()
        self.error = error

    def encode(self, sound: torch.Tensor) -> torch.Tensor:
        assert sound.dtype == torch.float64
        whole = sound[:, : sound.shape[1] // FRAME * FRAME]
        return 60 * whole.unflatten(1, (-1, FRAME)).std(2).mT + self.error


def test_another_processor_gives_the_same_bytes(tmp_path):
    sounds = Sounds({"train": 60, "valid": 50, "test": 45})
    for name, error in (("one", 0.0), ("other", 1e-10)):
        frames.build(tmp_path / name, sounds, Loudness(error), Listening())
    one, other = (tmp_path / name / "frames.npy" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    kept = np.load(one)
    assert kept.dtype == np.float16
    assert kept.std() > 0.1
    assert (kept * 128 % 1 == 0).all()


def test_windows_stay_within_their_piece_and_split(tmp_path):
    frames.build(tmp_path, Sounds({"train": 60, "valid": 50, "test": 45}), Counting(), Listening())
    sizes = {"train": 60, "valid": 50, "test": 45}
    for split, size in sizes.items():
        windows = frames.Windows(tmp_path, split)
        assert len(windows) == size - (PAST + NEXT) + 1
        taken = windows.take(np.arange(len(windows)))[..., 0]
        assert taken.dtype == windows.frames().dtype == torch.float32
        assert (taken.diff(dim=1) == 1).all()
        assert taken.min() == 3
        assert taken.max() == size + 2
        assert len(windows.frames()) == size


def test_a_split_without_a_window_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no valid piece has 11\.25 s of music"):
        frames.build(
            tmp_path, Sounds({"train": 60, "valid": 44, "test": 45}), Counting(), Listening()
        )
