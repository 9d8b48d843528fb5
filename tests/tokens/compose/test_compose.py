import numpy as np
import pytest
import torch

from ostinato.core.errors import UserError
from ostinato.core.params import TokenCompose
from ostinato.scores.midi import read_midi
from ostinato.tokens.compose import compose
from ostinato.tokens.data import letters
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken

READER = {
    "network": "lstm",
    "input": "embedding",
    "embedding": 4,
    "hidden": 8,
    "layers": 1,
    "dropout": 0.0,
    "window": 9,
}
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
def streams(tmp_path):
    """Those of a text."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("Tis the gift to be simple. " * 60)
    (tmp_path / "data").mkdir()
    letters.build(tmp_path / "data", "folder", tmp_path / "text", None)
    return Streams(tmp_path / "data")


def model_of(streams):
    """A model that was not trained at all."""
    torch.manual_seed(1)
    return NextToken(READER | {"data": streams.config}).eval()


def written(out, streams, **changes):
    compose.write_pieces(out, model_of(streams), streams, settings(**changes), seed=1)
    return sorted(path.name for path in out.iterdir())


def test_text_is_written_as_text(tmp_path, streams):
    assert written(tmp_path / "out", streams) == ["piece-01.txt", "piece-02.txt"]
    assert 0 < len((tmp_path / "out/piece-01.txt").read_text()) <= 30


def test_a_piece_is_the_same_however_many_are_written(tmp_path, streams):
    written(tmp_path / "two", streams)
    written(tmp_path / "one", streams, pieces=1)
    texts = [(tmp_path / name / "piece-01.txt").read_text() for name in ("one", "two")]
    assert texts[0] == texts[1]
    assert texts[0] != (tmp_path / "two/piece-02.txt").read_text()


def test_a_piece_is_the_same_however_many_processes_write(tmp_path, streams):
    written(tmp_path / "one", streams)
    (tmp_path / "two").mkdir()
    compose.write_pieces(tmp_path / "two", model_of(streams), streams, settings(), 1, threads=2)
    for name in ("piece-01.txt", "piece-02.txt"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_a_prompt_stands_before_what_is_written(tmp_path, streams):
    written(tmp_path / "out", streams, start="prompt", prompt="gift is")
    assert (tmp_path / "out/piece-01.txt").read_text().startswith("gift is")


def test_a_text_begins_with_its_first_window(streams):
    given, shown = compose.start(settings(), model_of(streams), streams, None)
    assert given == streams["train"][:10].tolist()
    assert shown == []


def test_of_several_texts_each_has_its_beginning(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name}, the gift to be free. " * 30)
    (tmp_path / "data").mkdir()
    letters.build(tmp_path / "data", "folder", tmp_path, None)
    streams = Streams(tmp_path / "data")
    assert compose.start(settings(), model_of(streams), streams, None) == ([0], [])


def test_a_window_is_one_of_the_test_text(streams):
    rng = np.random.default_rng(1)
    windows = [compose.start(settings(start="window"), model_of(streams), streams, rng)[0]]
    windows += [compose.window_of(model_of(streams), streams, rng)[0] for _ in range(9)]
    assert len({tuple(window) for window in windows}) > 1
    test = streams["test"].tolist()
    known = [test[place : place + 9] for place in range(len(test))]
    assert all(window[-9:] in known and len(window) <= 10 for window in windows)


def test_the_window_of_a_tune_is_its_beginning_and_is_kept(tmp_path):
    (tmp_path / "tunes.abc").write_text("".join(f"X:1\nK:C\n{n}{n}c|\n" for n in "CDEFGAB"))
    (tmp_path / "data").mkdir()
    letters.build(tmp_path / "data", "folder", tmp_path, None)
    streams = Streams(tmp_path / "data")
    rng = np.random.default_rng(1)
    given, shown = compose.start(settings(start="window"), model_of(streams), streams, rng)
    assert given == [0, *shown]
    assert "".join(streams.names[token] for token in shown) in (
        "K:C\n" + n * 2 + "c|\n" for n in "CDEFGAB"
    )


@pytest.mark.parametrize(
    ("kind", "prompt", "line"),
    [
        ("text", "gifté", "prompt has 'é', a character that does not occur"),
        ("chords", "C4 0.9", "prompt has '0.9', a note or chord that does not occur"),
    ],
)
def test_what_is_unknown_in_a_prompt_is_named(streams, kind, prompt, line):
    model = model_of(streams)
    model.data = model.data | {"kind": kind, "names": ["", "C4", *"gift"]}
    with pytest.raises(UserError, match=line):
        compose.start(settings(start="prompt", prompt=prompt), model, streams, None)


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


def test_a_tune_of_endless_notes_is_kept_as_letters(tmp_path):
    compose.save(tmp_path / "a", list("M:4/4\nK:C\nC9999|\n"), {"kind": "tunes"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.abc"]


def test_letters_that_are_no_tune_are_kept_as_letters(tmp_path):
    compose.save(tmp_path / "a", list("K:C\n[[[(("), {"kind": "tunes"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.abc"]
