"""What a training of the generator begins from."""

from pathlib import Path

import pytest
import torch
import yaml

from ostinato.core.errors import UserError
from ostinato.core.models import write_model
from ostinato.core.params import read_params
from ostinato.experiments import merged
from ostinato.notes.data import fragments
from ostinato.notes.fit.dataset import Data
from ostinato.notes.fit.generator import generator_task

ROOT = Path(__file__).parents[3]


def task(folder, songs, cells=8, start="data/start", steps_per_beat=4):
    changes = {
        "threads": 1,
        "samplers": {"tied": {"cells": cells, "hidden": 8}},
        "generator": {"start": str(start), "training": {"batch": 2}},
    }
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    (folder / "params.yaml").write_text(yaml.safe_dump(merged(values, changes)))
    data = Data(songs.folder, folder / "fragments", "notes", 64)
    fragments.write_table(data.fragments, data.songs, 64, 32, (0, 0))
    return generator_task(read_params(folder / "params.yaml"), data)


def test_training_begins_from_a_model(tmp_path, songs):
    first = task(tmp_path, songs)
    with torch.no_grad():
        for weight in first.model.parameters():
            weight += 0.25
    write_model(tmp_path / "known", first.model, first.config)
    second = task(tmp_path, songs, start=tmp_path / "known")
    for name, value in first.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value.half().to(value.dtype))
    assert tmp_path / "known/model.safetensors" in second.inputs


def test_training_cannot_begin_from_another_kind_of_model(tmp_path, songs):
    first = task(tmp_path, songs)
    write_model(tmp_path / "known", first.model, first.config | {"steps_per_beat": 12})
    with pytest.raises(UserError, match="has steps_per_beat 12, the dataset 4"):
        task(tmp_path, songs, start=tmp_path / "known")
    write_model(tmp_path / "known", first.model, first.config)
    with pytest.raises(UserError, match="a model of other sizes"):
        task(tmp_path, songs, cells=12, start=tmp_path / "known")
