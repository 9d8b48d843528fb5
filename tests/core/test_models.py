import pytest
import torch
from torch import nn

from ostinato.core.errors import UserError
from ostinato.core.models import build, load_weights, read_model, write_model


class Line(nn.Linear):
    """With a buffer that is not written."""

    def __init__(self):
        super().__init__(30, 20)
        self.register_buffer("third", torch.tensor(1 / 3), persistent=False)


def test_a_model_is_written_the_same_way_each_time(tmp_path):
    for name in ("a", "b"):
        torch.manual_seed(0)
        write_model(tmp_path / name, Line(), {"kind": "line"})
    one, other = tmp_path / "a/model.safetensors", tmp_path / "b/model.safetensors"
    assert one.read_bytes() == other.read_bytes()


def test_a_model_is_written_in_half_precision_and_stays_as_it_is(tmp_path):
    model = Line()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    write_model(tmp_path, model, {"kind": "line"})
    config, weights = read_model(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(weights[name], value.half())
    assert config == {"kind": "line"}


def test_a_weight_that_cannot_be_written_is_an_error(tmp_path):
    model = Line()
    nn.init.constant_(model.bias, 1e6)
    with pytest.raises(UserError, match="bias is too large to be written"):
        write_model(tmp_path, model, {})
    assert not list(tmp_path.iterdir())


def test_a_model_of_an_earlier_version_is_one_line():
    with pytest.raises(UserError, match="lookback has other parameters than this version"):
        build("ostinato.notes.memory", {"name": "lookback", "lags": [1], "cells": 3}, 4)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("place", [0, 4, 30, -20, -1])
def test_a_damaged_model_is_one_line(tmp_path, name, place):
    write_model(tmp_path, Line(), {"kind": "a line of twenty letters"})
    data = bytearray((tmp_path / name).read_bytes())
    data[place] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name} is .*`dvc pull --allow-missing`|no JSON"):
        read_model(tmp_path)


def test_weights_of_another_model_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"holds another kind of model, .* train it anew"):
        load_weights(Line(), {"weight": torch.zeros(3)}, tmp_path)


def test_a_folder_without_a_model_says_where_it_comes_from(tmp_path):
    with pytest.raises(UserError, match=r"holds no model; `dvc pull --allow-missing`"):
        read_model(tmp_path)
