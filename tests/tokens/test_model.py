import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato.tokens import model as module
from ostinato.tokens.batches import classified, padded
from ostinato.tokens.model import Classifier, NextToken, bits

NAMES = ["", *"abcdef"]


def config(kind="embedding", layers=2, dropout=0.0, **data):
    reader = {"input": kind, "embedding": 5, "hidden": 6, "layers": layers, "dropout": dropout}
    return reader | {"data": {"names": NAMES, "label": None, "labels": [], **data}}


def tokens(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(len(NAMES), shape, generator=generator)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


@pytest.mark.parametrize("kind", ["index", "onehot", "embedding"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_sequence_at_once_is_the_same_as_step_by_step(kind, layers):
    model = NextToken(config(kind, layers)).eval()
    sequence = tokens(3, 9)
    whole, end = model.logits(sequence, model.initial(3))
    state, steps = model.initial(3), []
    for step in sequence.split(1, 1):
        logits, state = model.logits(step, state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    torch.testing.assert_close(state, end)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("index", [[0.0], [2 / 7]]), ("onehot", [[1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]])],
)
def test_what_the_first_layer_sees_is_that_of_the_notebook(kind, shown):
    model = NextToken(config(kind, layers=1))
    sequence = torch.tensor([[0, 2]])
    expected, _ = model.layers[0](torch.tensor([shown], dtype=torch.float32))
    found, _ = model.read(sequence, model.initial(1))
    torch.testing.assert_close(found, expected)


def test_the_loss_is_the_cross_entropy_of_all_but_the_first():
    model = NextToken(config())
    window = tokens(4, 11)
    logits, _ = model.logits(window[:, :-1], model.initial(4))
    nats = -logits.log_softmax(-1).gather(-1, window[:, 1:, None]).mean()
    torch.testing.assert_close(model(window), nats / math.log(2))


def test_dropout_is_for_training_only():
    model = NextToken(config(dropout=0.5))
    window = tokens(4, 11)
    assert model(window) != model(window)
    assert model.eval()(window) == model(window)


@pytest.mark.parametrize("length", [2, 12, 13, 30, 60, 101])
def test_bits_of_a_stream_are_those_of_its_tokens(length, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT", 12)
    monkeypatch.setattr(module, "KNOWN", 5)
    monkeypatch.setattr(module, "TOGETHER", 2)
    model = NextToken(config()).eval()
    stream = tokens(length)
    found = bits(model, stream)
    assert found.shape == (length - 1,)
    for place in range(1, length):
        segment = (place - 1) // 12 * 12
        before = stream[max(segment - 5, 0) if segment else 0 : place]
        logits, _ = model.logits(before[None], model.initial(1))
        expected = -logits[0, -1].log_softmax(-1)[stream[place]] / math.log(2)
        torch.testing.assert_close(found[place - 1], expected)


def test_a_classifier_does_not_see_what_pieces_are_filled_up_with():
    model = Classifier(config(label="one", labels=["x", "y", "z"])).eval()
    pieces = [np.array([1, 2, 3]), np.array([4]), np.array([5, 1, 5, 1, 2, 2])]
    together = model.logits(*padded(pieces))
    for piece, logits in zip(pieces, together, strict=True):
        torch.testing.assert_close(model.logits(*padded([piece]))[0], logits)


@pytest.mark.parametrize("label", ["one", "several"])
def test_the_loss_of_a_classifier_is_that_of_its_answers(label):
    model = Classifier(config(label=label, labels=["x", "y", "z"]))
    sequence, lengths = tokens(2, 4), torch.tensor([4, 2])
    truth = torch.tensor([[0.0, 1, 0], [1, 0, 0]])
    logits = model.logits(sequence, lengths)
    if label == "one":
        expected = -(logits.log_softmax(-1) * truth).sum(1).mean()
    else:
        chosen = torch.where(truth > 0, logits, -logits)
        expected = -F.logsigmoid(chosen).mean()
    torch.testing.assert_close(model(sequence, lengths, truth), expected / math.log(2))


@pytest.mark.parametrize(("label", "expected"), [("one", [[0, 1, 0]]), ("several", [[0, 1, 1]])])
def test_answers_are_what_is_most_probable_or_more_probable_than_not(label, expected):
    model = Classifier(config(label=label, labels=["x", "y", "z"])).eval()
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data = torch.tensor([-1.0, 2.0, 1.0])
    assert classified(model, [np.array([1, 2])]).tolist() == expected
