"""A training that is followed."""

import os
import shutil
import subprocess

import pytest
import torch
from making import CONFIG, DECODER
from making_page import ROOT, data_of

from ostinato.core import files
from ostinato.core.models import write_model
from ostinato.notes.system import System
from ostinato.page.watch import Watch, watch


@pytest.fixture
def project(songs, tmp_path, monkeypatch):
    """A project in which the stage generator is running."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(songs.folder, tmp_path / "data/dataset")
    torch.manual_seed(0)
    system = System(CONFIG, DECODER)
    write_model(tmp_path / "models/decoder", system.performer, DECODER)

    def validated(step: int) -> None:
        write_model(
            tmp_path / f"models/.generator.{os.getpid()}.tmp",
            system.generator,
            {"kind": "generator"} | CONFIG,
        )
        rows = [{"step": each, "train": 3.0, "valid": 2.5} for each in range(4, step + 1, 4)]
        path = tmp_path / f"results/.generator.{os.getpid()}.tmp/curves.tsv"
        files.write_table(path, ["step", "train", "valid"], rows, delimiter="\t")

    (tmp_path / f"models/.generator.{os.getpid()}.tmp").mkdir(parents=True)
    return validated


def test_each_validation_brings_a_piece_and_a_point_of_the_curve(project, tmp_path):
    watch = Watch(tmp_path / "page")
    assert watch.look() == []
    project(4)
    assert watch.look() == ["generator: step 4, learned 3.000, validation 2.500"]
    assert watch.look() == []
    project(8)
    watch.look()
    data = data_of(tmp_path / "page")
    assert [item["title"] for item in data["shelves"][0]["items"]] == ["Step 8", "Step 4"]
    assert data["figures"]["curves"][0]["lines"][0]["points"] == [[4, 3, 2.5], [8, 3, 2.5]]
    assert data["reload"] > 0
    shutil.rmtree(tmp_path / f"models/.generator.{os.getpid()}.tmp")
    assert watch.look() == []
    watch.write(0)
    assert data_of(tmp_path / "page")["reload"] == 0


def test_what_was_heard_before_is_removed_and_nothing_else(project, tmp_path):
    project(4)
    Watch(tmp_path / "page").look()
    (tmp_path / "page/sounds/mine.mp3").write_bytes(b"mine")
    assert len(list((tmp_path / "page").glob("sounds/sound-*.mp3"))) == 1
    Watch(tmp_path / "page")
    assert [path.name for path in (tmp_path / "page/sounds").iterdir()] == ["mine.mp3"]
    assert not list((tmp_path / "page/midi").iterdir())


def test_where_nothing_can_be_heard_there_is_the_curve_alone(project, tmp_path):
    project(4)
    shutil.rmtree(tmp_path / "models/decoder")
    Watch(tmp_path / "page").look()
    data = data_of(tmp_path / "page")
    assert data["shelves"] == []
    assert data["figures"]["curves"]


def test_what_a_killed_training_has_left_is_not_followed(project, tmp_path):
    project(4)
    dead = subprocess.Popen(["true"])
    dead.wait()
    for kind in ("models", "results"):
        [own] = (tmp_path / kind).glob(".generator.*.tmp")
        own.rename(own.with_name(f".generator.{dead.pid}.tmp"))
    assert Watch(tmp_path / "page").look() == []


def test_watching_ends_with_the_keyboard_and_leaves_a_page_that_stays(project, tmp_path):
    project(4)

    def ready() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(tmp_path / "page", ready)
    assert data_of(tmp_path / "page")["reload"] == 0
