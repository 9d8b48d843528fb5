import numpy as np
import pytest
import torch
from making import READER

from ostinato.tokens.data import letters
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken
from ostinato.tokens.report import temperature


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(temperature, "PIECES", 5)
    monkeypatch.setattr(temperature, "LENGTH", 40)


def found(tmp_path, texts):
    """Metrics of a model that knows nothing: each letter is as probable as any other."""
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    out.mkdir()
    letters.build(out, "folder", tmp_path, None)
    streams = Streams(out)
    model = NextToken(READER | {"data": streams.config}).eval()
    torch.nn.init.zeros_(model.output.weight)
    torch.nn.init.zeros_(model.output.bias)
    model.output.bias.data[0] = -9
    return temperature.compare_temperatures(model, streams, seed=1)


def test_real_text_stands_beside_what_is_written(tmp_path):
    rng = np.random.default_rng(1)
    metrics = found(tmp_path, {"a.txt": "".join(rng.choice(list("abcd"), 9000))})
    assert list(metrics) == ["real", "1/2", "2/3", "1"]
    for values in metrics.values():
        assert set(values) == {"distinct", "new", "longest_copy"}
        # 8 of 4 letters: 65,536 kinds, of which the text has a tenth.
        assert values["distinct"] > 0.95
        assert 0.8 < values["new"] < 0.97
        assert 4 < values["longest_copy"] < 12


def test_a_copied_text_is_seen_as_such(tmp_path):
    metrics = found(tmp_path, {"a.txt": "The same again. " * 300})
    assert metrics["real"]["new"] == 0
    assert metrics["real"]["distinct"] < 0.2 < 0.9 < metrics["1"]["distinct"]
    assert metrics["1"]["new"] > 0.9
    titles = [axes.get_title("left") for axes in temperature.plot(metrics, 8).axes]
    assert "longest copy, tokens" in titles


def test_of_tunes_those_that_add_up_are_counted(tmp_path):
    tunes = "".join(
        f"X:1\nM:4/4\nL:1/4\nK:C\n{a}{b}cd|efga|c4|\n" for a in "CDEFG" for b in "GABcd"
    )
    metrics = found(tmp_path, {"a.abc": tunes})
    assert metrics["real"]["adds_up"] == 1
    assert metrics["1"]["adds_up"] == 0


def test_a_tune_without_its_end_does_not_add_up(tmp_path, monkeypatch):
    tune = "M:4/4\nL:1/4\nK:C\nCDEF|GABc|cdef|c4|\n"
    monkeypatch.setattr(temperature, "LENGTH", tune.index("c4|"))
    different = (tune.replace("CDEF", a + b + "EF") for a in "CDEFG" for b in "GABcd")
    metrics = found(tmp_path, {"a.abc": "".join(f"X:1\n{one}" for one in different)})
    assert metrics["real"]["adds_up"] == 0
