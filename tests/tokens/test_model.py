import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato.tokens import batches
from ostinato.tokens.batches import bits, classify, pad
from ostinato.tokens.model import Classifier, NextToken

NAMES = ["", *"abcdef"]


def config(kind="embedding", layers=2, dropout=0.0, network="lstm", **data):
    reader = {"input": kind, "embedding": 5, "hidden": 6, "layers": layers, "dropout": dropout}
    reader |= {"network": network, "window": 9}
    if network == "transformer":
        reader["hidden"] = 64
    return reader | {"data": {"names": NAMES, "labelling": None, "labels": [], **data}}


def tokens(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(len(NAMES), shape, generator=generator)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def stirred(model):
    """A model without the zeros that transformers begin with."""
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


@pytest.mark.parametrize("network", ["lstm", "transformer"])
@pytest.mark.parametrize("kind", ["index", "onehot", "embedding"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_sequence_at_once_is_the_same_as_step_by_step(network, kind, layers):
    model = stirred(NextToken(config(kind, layers, network=network)))
    sequence = tokens(3, 31)
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
    expected, _ = model.network.layers[0](torch.tensor([shown], dtype=torch.float32))
    found, _ = model.network(sequence, model.initial(1))
    torch.testing.assert_close(found, expected)


def test_a_transformer_sees_its_window_and_not_what_comes_later():
    model = stirred(NextToken(config(layers=1, network="transformer")))
    sequence = tokens(1, 31)
    before, _ = model.logits(sequence, model.initial(1))
    changed = sequence.clone()
    changed[0, 15] = (changed[0, 15] + 1) % len(NAMES)
    after, _ = model.logits(changed, model.initial(1))
    differs = (before != after).any(-1)[0]
    assert differs.nonzero()[:, 0].tolist() == list(range(15, 15 + 9))


def test_a_transformer_knows_how_far_apart_tokens_are_and_not_where_they_stand():
    model = stirred(NextToken(config(layers=1, network="transformer")))
    sequence = tokens(1, 9)
    shifted = torch.cat([tokens(1, 40, seed=3), sequence], 1)
    alone, _ = model.logits(sequence, model.initial(1))
    later, _ = model.logits(shifted, model.initial(1))
    torch.testing.assert_close(later[0, -1], alone[0, -1])
    reordered, _ = model.logits(sequence[:, [1, 0, *range(2, 9)]], model.initial(1))
    assert not torch.allclose(reordered[0, -1], alone[0, -1])


def test_the_loss_is_the_cross_entropy_of_all_but_the_first():
    model = NextToken(config())
    window = tokens(4, 11)
    logits, _ = model.logits(window[:, :-1], model.initial(4))
    nats = -logits.log_softmax(-1).gather(-1, window[:, 1:, None]).mean()
    torch.testing.assert_close(model(window, torch.full((4,), 10)), nats / math.log(2))


def test_what_a_window_is_filled_up_with_does_not_count():
    model = NextToken(config())
    short, long = tokens(1, 6), tokens(1, 11, seed=2)
    filled = torch.cat([F.pad(short, (0, 5)), long])
    alone = [
        model(window, torch.tensor([size])) * size for window, size in ((short, 5), (long, 10))
    ]
    torch.testing.assert_close(model(filled, torch.tensor([5, 10])), sum(alone) / 15)


def test_dropout_is_for_training_only():
    model = NextToken(config(dropout=0.5))
    window = tokens(4, 11)
    lengths = torch.full((4,), 10)
    assert model(window, lengths) != model(window, lengths)
    assert model.eval()(window, lengths) == model(window, lengths)


@pytest.mark.parametrize("length", [2, 12, 13, 30, 60, 101])
def test_bits_of_a_stream_are_those_of_its_tokens(length, monkeypatch):
    monkeypatch.setattr(batches, "SEGMENT", 12)
    monkeypatch.setattr(batches, "CONTEXT", 5)
    monkeypatch.setattr(batches, "MAX_FLOATS", 200)
    model = NextToken(config()).eval()
    # About every fourth piece is longer than a segment.
    stream = tokens(length).numpy() * (tokens(length, seed=3).numpy() > 0)
    stream[0] = 0
    found = bits(model, stream)
    assert found.shape == (length - 1,)
    for place in range(1, length):
        begin = max(n for n in range(place) if stream[n] == 0)
        segment = begin + (place - 1 - begin) // 12 * 12
        before = stream[max(begin, segment - 5) : place]
        logits, _ = model.logits(torch.from_numpy(before[None]), model.initial(1))
        expected = -logits[0, -1].log_softmax(-1)[stream[place]] / math.log(2)
        assert found[place - 1] == pytest.approx(expected.item(), rel=1e-4)


def test_a_classifier_does_not_see_what_pieces_are_filled_up_with():
    model = Classifier(config(labelling="one", labels=["x", "y", "z"])).eval()
    pieces = [np.array([1, 2, 3]), np.array([4]), np.array([5, 1, 5, 1, 2, 2])]
    together = model.logits(*pad(pieces))
    for piece, logits in zip(pieces, together, strict=True):
        torch.testing.assert_close(model.logits(*pad([piece]))[0], logits)


@pytest.mark.parametrize("labelling", ["one", "several"])
def test_the_loss_of_a_classifier_is_that_of_its_answers(labelling):
    model = Classifier(config(labelling=labelling, labels=["x", "y", "z"]))
    sequence, lengths = tokens(2, 4), torch.tensor([4, 2])
    truth = torch.tensor([[0.0, 1, 0], [1, 0, 0]])
    logits = model.logits(sequence, lengths)
    if labelling == "one":
        expected = -(logits.log_softmax(-1) * truth).sum(1).mean()
    else:
        chosen = torch.where(truth > 0, logits, -logits)
        expected = -F.logsigmoid(chosen).mean()
    torch.testing.assert_close(model(sequence, lengths, truth), expected / math.log(2))


@pytest.mark.parametrize(
    ("labelling", "expected"), [("one", [[0, 1, 0]]), ("several", [[0, 1, 1]])]
)
def test_answers_are_what_is_most_probable_or_more_probable_than_not(labelling, expected):
    model = Classifier(config(labelling=labelling, labels=["x", "y", "z"])).eval()
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data = torch.tensor([-1.0, 2.0, 1.0])
    assert classify(model, [np.array([1, 2])]).tolist() == expected
