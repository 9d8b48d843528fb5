"""No model makes tensors on the CPU: on the ``meta`` device, or beside it, these would raise."""

import pytest
import torch

from ostinato.tokens.model import Classifier, NextToken

NAMES = ["", *"abcdef"]
LABELS = ["x", "y", "z"]


def model_of(kind, source, labelling=None, network="lstm"):
    config = {
        "network": network,
        "input": source,
        "embedding": 5,
        "hidden": 32,
        "layers": 2,
        "dropout": 0.1,
        "window": 9,
        "data": {"names": NAMES, "labelling": labelling, "labels": LABELS},
    }
    with torch.device("meta"):
        return kind(config)


def meta(*shape, dtype=torch.int64):
    return torch.empty(shape, dtype=dtype, device="meta")


@pytest.mark.parametrize("network", ["lstm", "transformer"])
@pytest.mark.parametrize("source", ["index", "onehot", "embedding"])
def test_the_next_token(source, network):
    model = model_of(NextToken, source, network=network)
    model(meta(4, 10), meta(4)).backward()
    assert all(weight.grad.is_meta for weight in model.parameters())


@pytest.mark.parametrize("network", ["lstm", "transformer"])
@pytest.mark.parametrize("batch", [1, 20])
def test_one_token_at_a_time(batch, network):
    """The other way round: what is made without a device is on ``meta``, all else on the CPU."""
    model = model_of(NextToken, "embedding", network=network).to_empty(device="cpu").eval()
    tokens, state = torch.zeros(batch, 1, dtype=torch.int64), model.initial(batch)
    with torch.device("meta"):
        logits, state = model.logits(tokens, state)
    assert not logits.is_meta
    tensors = [tensor for layer in state if isinstance(layer, tuple) for tensor in layer]
    assert tensors and not any(tensor.is_meta for tensor in tensors)


@pytest.mark.parametrize("labelling", ["one", "several"])
def test_labels(labelling):
    model = model_of(Classifier, "embedding", labelling)
    labels = meta(4, len(LABELS), dtype=torch.float32)
    model(meta(4, 10), meta(4), labels).backward()
    assert all(weight.grad.is_meta for weight in model.parameters())
