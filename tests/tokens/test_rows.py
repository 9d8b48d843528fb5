"""The rows of the third notebook, each trained on something tiny, from files to metrics."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from making import write_corpus

from ostinato.core.errors import UserError
from ostinato.core.models import write_model
from ostinato.core.params import read_params
from ostinato.core.training import fit
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo
from ostinato.tokens.compose.sampling import distribution, sample
from ostinato.tokens.data import chords, letters
from ostinato.tokens.data.chords import score_of
from ostinato.tokens.data.streams import Piece, Streams, Vocabulary, write_streams
from ostinato.tokens.fit.token_model import token_model_task
from ostinato.tokens.report.evaluate import evaluate_classifier

ROOT = Path(__file__).parents[2]
TEXT = "of a topological ring "


def task_of(vocabulary, optimizer="adam", **changes):
    """The training of a small token model on what lies in the working folder."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    model = values["token_model"][vocabulary]
    model |= {"hidden": 32, "layers": 1, "dropout": 0.0, **changes}
    model["training"] |= {"batch": 16, "max_steps": 200, "validate_every": 50, "patience": 9}
    model["training"] |= {"learning_rate": 0.02, "precision": "float32", "optimizer": optimizer}
    values["threads"] = 1
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    params = read_params(Path("params.yaml"))
    return token_model_task(params, vocabulary, Path("data/tokens") / vocabulary)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    for vocabulary in ("chords", "letters"):
        (tmp_path / "data/tokens" / vocabulary).mkdir(parents=True)
    (tmp_path / "text").mkdir()
    return tmp_path


def letters_of(labels=None):
    out = Path("data/tokens/letters")
    letters.build(out, "folder", Path("text"), labels)
    return Streams(out)


def test_c1_letters(folder):
    (folder / "text/topology.tex").write_text(TEXT * 60)
    streams = letters_of()
    task = task_of("letters", input="onehot", window=100)
    assert fit(task)[-1]["valid"] < 0.3
    prompt = torch.tensor([[0, *(task.config["data"]["names"].index(c) for c in TEXT[:9])]])
    [written] = sample(task.model, prompt, torch.rand(1, 40), temperature=0)
    # "At 0 text degrades into an endless loop."
    loop = "".join(streams.names[c] for c in written)
    assert (TEXT[:9] + loop) == (TEXT * 3)[: 9 + 40]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_c2_notes_and_chords(optimizer):
    names = ["", "0.4.7", "2.7.11", "C4", "F#4", "G4"]
    song = np.tile([3, 1, 5, 2], 30)
    pieces = [
        Piece(split, split, (), lambda song=song: iter([song]), len(song))
        for split in ("train", "valid", "test")
    ]
    shifts = np.arange(len(names), dtype=np.int32)[None]
    vocabulary = Vocabulary(np.arange(1, len(names)), names, shifts)
    out = Path("data/tokens/chords")
    write_streams(out, pieces, vocabulary, {"labelling": None, "kind": "chords", "octaves": False})
    task = task_of("chords", optimizer, input="index", window=100)
    assert fit(task)[-1]["valid"] < 0.5
    window = torch.from_numpy(np.tile(song, 2)[None, 1:101])
    [written] = sample(task.model, window, torch.rand(1, 120), temperature=0)
    assert written[:8] == np.roll(song, -1)[:8].tolist()
    score = score_of([names[token] for token in written], octaves=False)
    assert np.unique(np.diff(np.unique(score.notes["onset"]))).tolist() == [240]


@pytest.mark.parametrize(("temperature", "power"), [(0.5, 2), (2 / 3, 1.5), (1.0, 1), (2.0, 0.5)])
def test_c3_temperature(temperature, power):
    probable = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    found = distribution(probable.log(), temperature, top_k=0, top_p=1.0)
    torch.testing.assert_close(found, probable**power / (probable**power).sum())
    # tau towards 0 is the most probable class.
    assert distribution(probable.log(), 1e-9, top_k=0, top_p=1.0).tolist() == [0, 1, 0]


@pytest.mark.parametrize("labels", ["one", "several"])
def test_c4_classification(folder, labels):
    rng = np.random.default_rng(1)
    words = {"x/high": "aab ", "x/low": "abb ", "y/high": "ccd ", "y/low": "cdd "}
    for place, word in words.items():
        (folder / "text" / place).mkdir(parents=True)
        for number in range(15):
            text = word * int(rng.integers(5, 40))
            (folder / "text" / place / f"{number}.txt").write_text(text)
    streams = letters_of(labels)
    task = task_of("letters", window=50)
    fit(task)
    found = evaluate_classifier(task.model, streams)
    assert found["model_accuracy"] == 1
    assert found["majority_accuracy"] < 0.8


def test_a_text_shorter_than_a_window_is_one_line(folder):
    (folder / "text/a.txt").write_text("short " * 20)
    letters_of()
    with pytest.raises(UserError) as caught:
        task_of("letters", window=100)
    assert str(caught.value) == (
        "tokens.letters: 96 tokens to learn from; there have to be more than "
        "token_model.letters.window (100)"
    )


def test_c4_classification_of_songs(folder):
    """Chords: two composers, one in thirds, one in fifths."""
    songs = {}
    for number in range(30):
        steps = np.random.default_rng(number).integers(0, 12, 40)
        interval = 4 if number % 2 else 7
        pairs = [(240 * i, 60 + step) for i, step in enumerate(steps)]
        notes = [(t, 240, p + both, 80, 0) for t, p in pairs for both in (0, interval)]
        piece = Score(np.array(notes, NOTE), [Part()], [Metre(0, 4, 4)], [Tempo(0, 100)])
        source = f"{'thirds' if number % 2 else 'fifths'}/{number}.mid"
        songs[source] = (("test", "valid", "train", "train", "train")[number // 2 % 5], piece)
    corpus = write_corpus(folder / "data/corpus", songs)
    out = Path("data/tokens/chords")
    chords.build(out, corpus, octaves=False, shifts=[-2, 2], labelling="one")
    task = task_of("chords", window=20)
    fit(task)
    found = evaluate_classifier(task.model, Streams(out))
    assert found["model_accuracy"] == found["logistic_accuracy"] == 1
    assert found["majority_accuracy"] == 0.5


def test_training_begins_from_a_model_by_the_names_of_its_classes(folder):
    (folder / "text/a.txt").write_text("xabc" * 200)
    letters_of()
    first = task_of("letters", window=20)
    fit(first)
    write_model(folder / "known", first.model, first.config)
    (folder / "text/a.txt").write_text("abcdx" * 200)
    letters_of()
    task = task_of("letters", window=20, start=str(folder / "known"))
    names = [config["data"]["names"] for config in (first.config, task.config)]
    assert names == [["", *"abcx"], ["", *"abcdx"]]
    for part in (first.model, task.model):
        part.eval()
    known, own = (
        model.logits(torch.tensor([[0, places[0], places[1]]]), model.initial(1))[0][0, -1]
        for model, places in ((first.model, [1, 2]), (task.model, [1, 2]))
    )
    torch.testing.assert_close(own[[0, 1, 2, 3, 5]], known, atol=0.05, rtol=0.01)
    assert folder / "known/model.safetensors" in task.inputs


def test_training_cannot_begin_from_a_model_of_another_size(folder):
    (folder / "text/a.txt").write_text("xabc" * 200)
    letters_of()
    first = task_of("letters", window=20, hidden=16)
    write_model(folder / "known", first.model, first.config)
    with pytest.raises(UserError, match="a model of other sizes"):
        task_of("letters", window=20, start=str(folder / "known"))
    (folder / "known/model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no model"):
        task_of("letters", window=20, start=str(folder / "known"))
