import pytest
import torch
from torch import nn

from ostinato.core.errors import UserError
from ostinato.core.models import read_model, write_model


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


def test_a_written_model_is_the_one_in_memory(tmp_path):
    model, again = Line(), Line()
    write_model(tmp_path, model, {"kind": "line"})
    config, weights = read_model(tmp_path)
    again.load_state_dict(weights)
    inputs = torch.randn(5, 30)
    torch.testing.assert_close(again(inputs), model(inputs), rtol=0, atol=0)
    assert config == {"kind": "line"}
    assert model.third == torch.tensor(1 / 3)
    assert (tmp_path / "model.safetensors").stat().st_size < 2 * 620 + 200


def test_a_weight_that_cannot_be_written_is_an_error(tmp_path):
    model = Line()
    nn.init.constant_(model.bias, 1e6)
    with pytest.raises(UserError, match="bias is too large to be written"):
        write_model(tmp_path, model, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_model_says_where_it_comes_from(tmp_path):
    with pytest.raises(UserError, match=r"holds no model; `dvc pull --allow-missing`"):
        read_model(tmp_path)
