"""What many tests need: a folder of songs, a dataset; and the same examples in every run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from making import FILTERS, melody

from ostinato.notes.data import dataset
from ostinato.notes.data.songs import Songs
from ostinato.scores import corpus
from ostinato.scores.midi import midi_bytes

settings.register_profile("ostinato", deadline=None, derandomize=True)
settings.load_profile("ostinato")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the pipeline, which takes as long as all the rest, in one process beside it."""
    items.sort(key=lambda item: "pipeline" not in item.path.parts)


@pytest.fixture
def songs_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with some songs as MIDI files."""

    def make(count: int, **options: int) -> Path:
        folder = tmp_path / "scores"
        folder.mkdir(exist_ok=True)
        for seed in range(count):
            (folder / f"song{seed}.mid").write_bytes(midi_bytes(melody(seed, **options)))
        return folder

    return make


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Songs:
    """A dataset of twelve songs of 8 to 19 bars."""
    root = tmp_path_factory.mktemp("dataset")
    (root / "scores").mkdir()
    for seed in range(12):
        data = midi_bytes(melody(seed, beats=4 * (8 + seed)))
        (root / "scores" / f"{seed:02d}.mid").write_bytes(data)
    corpus.build(root / "corpus", "folder", root / "scores")
    dataset.build(root / "dataset", root / "corpus", FILTERS)
    return Songs(root / "dataset")
