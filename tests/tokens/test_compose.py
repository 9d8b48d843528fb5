import json

import pytest
import torch

from ostinato.errors import UserError
from ostinato.models import write_model
from ostinato.params import TokenCompose
from ostinato.scores.midi import read_midi
from ostinato.tokens import compose, letters
from ostinato.tokens.model import NextToken
from ostinato.tokens.streams import Streams

READER = {"input": "embedding", "embedding": 4, "hidden": 8, "layers": 1, "dropout": 0.0}
TUNE = "M:4/4\nL:1/8\nK:C\nCDEF GABc|c8|\n"


def settings(**changes):
    values = {
        "pieces": 2,
        "tokens": 30,
        "start": "beginning",
        "prompt": "",
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
    }
    return TokenCompose(**values | changes)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A model of a text, not trained at all, and its streams."""
    monkeypatch.setattr(compose, "PIECES", 3)
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("Tis the gift to be simple. " * 60)
    data, model = tmp_path / "data", tmp_path / "model"
    data.mkdir()
    letters.build(data, "folder", tmp_path / "text", None)
    torch.manual_seed(1)
    config = READER | {"data": Streams(data).about}
    write_model(model, NextToken(config), config)
    return model, data


def written(out, trained, **changes):
    compose.write_pieces(out, *trained, settings(**changes), threads=1, seed=1)
    return sorted(path.name for path in out.iterdir())


def test_text_is_written_as_text(tmp_path, trained):
    names = written(tmp_path / "out", trained)
    assert names == ["figures.json", "piece-01.txt", "piece-02.txt", "temperatures.png"]
    figures = json.loads((tmp_path / "out/figures.json").read_text())
    assert list(figures) == ["real", "1/2", "2/3", "1"]
    assert set(figures["1"]) == {"distinct", "new", "longest_copy"}
    assert figures["real"]["new"] < figures["1"]["new"]


def test_a_piece_is_the_same_however_many_are_written(tmp_path, trained):
    written(tmp_path / "two", trained)
    written(tmp_path / "one", trained, pieces=1)
    name = "piece-01.txt"
    assert (tmp_path / "two" / name).read_text() == (tmp_path / "one" / name).read_text()


def test_a_prompt_stands_before_what_is_written(tmp_path, trained):
    written(tmp_path / "out", trained, start="prompt", prompt="gift is")
    assert (tmp_path / "out/piece-01.txt").read_text().startswith("gift is")


def test_a_window_is_one_of_the_test_text(trained):
    streams = Streams(trained[1])
    windows = [compose.prompt_of(settings(start="window"), streams, seed) for seed in range(9)]
    test = streams["test"].tolist()
    assert len({tuple(window) for window in windows}) > 1
    places = range(len(test) - compose.WINDOW)
    known = [test[place : place + compose.WINDOW] for place in places]
    assert all(window in known for window in windows)


def test_an_unknown_character_in_a_prompt_is_named(tmp_path, trained):
    with pytest.raises(UserError, match="prompt has 'é', a character that does not occur"):
        written(tmp_path / "out", trained, start="prompt", prompt="gifté")


def test_chords_can_be_heard(tmp_path):
    compose.save(tmp_path / "a", ["F#4", "0.4.7"], {"kind": "chords", "octaves": False})
    assert (tmp_path / "a.txt").read_text() == "F#4 0.4.7\n"
    notes = read_midi(tmp_path / "a.mid").notes
    assert notes["pitch"].tolist() == [66, 60, 64, 67]
    # Half a quarter note apart.
    assert notes["onset"].tolist() == [0, 240, 240, 240]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".mid", ".png", ".txt", ".wav"]


def test_a_tune_can_be_read_and_heard(tmp_path):
    compose.save(tmp_path / "a", list(TUNE), {"kind": "tunes"})
    assert (tmp_path / "a.abc").read_text() == "X:1\n" + TUNE
    assert len(read_midi(tmp_path / "a.mid").notes) == 9
    assert (tmp_path / "a.wav").stat().st_size > 100_000


def test_letters_that_are_no_tune_are_kept_as_letters(tmp_path):
    compose.save(tmp_path / "a", list("K:C\n[[[(("), {"kind": "tunes"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.abc"]
