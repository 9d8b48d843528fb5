import numpy as np
import pytest
import torch
from making import READER

from ostinato.tokens.data import letters
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import Classifier, NextToken
from ostinato.tokens.report.evaluate import evaluate_classifier, evaluate_next_token


def streams_of(tmp_path, texts, labels=None):
    out = tmp_path / "out"
    out.mkdir()
    for name, text in texts.items():
        path = tmp_path / "text" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    letters.build(out, "folder", tmp_path / "text", labels)
    return Streams(out)


def test_bits_are_those_of_the_test_text(tmp_path):
    rng = np.random.default_rng(1)
    streams = streams_of(tmp_path, {"a.txt": "".join(rng.choice(list("abcd"), 6000))})
    torch.manual_seed(1)
    model = NextToken(READER | {"data": streams.config}).eval()
    torch.nn.init.zeros_(model.output.weight)
    torch.nn.init.zeros_(model.output.bias)
    found = evaluate_next_token(model, streams)
    # A model that knows nothing needs log2 of 5 classes; n-grams learn that letters are even.
    assert found["model_bits"] == pytest.approx(np.log2(5))
    assert found["ngram_bits"] == pytest.approx(2, abs=0.03)
    assert found["tested"] == 601
    assert found["ngram_learned"] == found["model_learned"] == len(streams["train"])


FOLDERS = {
    f"{label}/{n}.txt": word * (n + 3)
    for label, word in (("x", "ab "), ("y", "ba "), ("y/z", "cc "))
    for n in range(20)
}


@pytest.mark.parametrize("labels", ["one", "several"])
def test_accuracies_count_pieces_all_of_whose_labels_are_right(tmp_path, labels):
    streams = streams_of(tmp_path, FOLDERS, labels)
    model = Classifier(READER | {"data": streams.config}).eval()
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data = torch.tensor([-1.0, 1.0, -2.0])[: len(streams.labels)]
    truth, train = streams.targets("test"), streams.targets("train")
    found = evaluate_classifier(model, streams)
    only_y = (truth == np.array([0, 1, 0][: truth.shape[1]])).all(1)
    assert found["model_accuracy"] == only_y.mean()
    sets, counts = np.unique(train, axis=0, return_counts=True)
    assert found["majority_accuracy"] == (truth == sets[counts.argmax()]).all(1).mean()
    assert found["logistic_accuracy"] == 1
    assert found["tested"] == len(truth)
