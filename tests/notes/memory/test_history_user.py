import pytest
import torch
from pydantic import ValidationError
from remembering import (
    BATCH,
    KEYS,
    PAST,
    STEPS,
    check_gradients,
    check_order,
    check_parts,
    inputs,
    make,
    run,
)

from ostinato.notes.memory import history_user
from ostinato.notes.memory.history_user import Model, Params, recall

LAGS = [1, 4, 8, 16]
SIZES = {"local": 6, "read": 7, "aggregation": 9}


def memory(lags=LAGS, history_as_input=False) -> Model:
    return make(history_user, lags=lags, history_as_input=history_as_input, **SIZES)


@pytest.fixture
def tight(monkeypatch):
    """Nothing is kept for the backward pass, and there are many tiles."""
    monkeypatch.setattr(history_user, "KEPT", 0)
    monkeypatch.setattr(history_user, "TILE", 7)


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def copied(past, read, weigh, lags):
    """What `recall` computes, with a copy of the past for each lag."""
    steps = read.shape[1]
    lagged = torch.stack([past[:, max(lags) - lag :][:, :steps] for lag in lags], 2)
    return torch.einsum("btl,btlk->btk", weigh(read).softmax(-1), lagged)


@pytest.mark.parametrize("check", [check_parts, check_order, check_gradients])
def test_it_is_a_memory_without_keeping_weights(tight, check):
    check(memory(list(range(1, 13))))


@pytest.mark.parametrize("lags", [[1], LAGS, [16, 3, 40], list(range(1, 13))])
def test_recall_is_the_sum_over_lags(lags):
    weigh = torch.nn.Linear(7, len(lags)).double()
    past, read = numbers(BATCH, max(lags) - 1 + 70, KEYS), numbers(BATCH, 70, 7)
    torch.testing.assert_close(
        recall(past, read, weigh, lags), copied(past, read, weigh, lags), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("kept", [0, 2**23])
def test_gradients_of_recall_are_right_whether_weights_are_kept_or_not(monkeypatch, kept):
    monkeypatch.setattr(history_user, "KEPT", kept)
    lags, steps = list(range(1, 13)), 70
    weigh = torch.nn.Linear(7, len(lags)).double()
    past, read = numbers(BATCH, 11 + steps, KEYS), numbers(BATCH, steps, 7)
    variables = (past.requires_grad_(), read.requires_grad_(), *weigh.parameters())
    ours, theirs = (
        torch.autograd.grad(form(past, read, weigh, lags).pow(2).sum(), variables)
        for form in (recall, copied)
    )
    for gradient, true in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, true, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kept", "weights"), [(0, 0), (2**22, 100)])
@pytest.mark.parametrize("steps", [640, 1280])
def test_what_waits_for_the_backward_pass_is_linear_in_time(monkeypatch, steps, kept, weights):
    """Notes and outputs of the reader, at most the weights, and never a copy for each lag."""
    monkeypatch.setattr(history_user, "KEPT", kept)
    weigh = torch.nn.Linear(7, 100).double()
    past, read = numbers(1, 99 + steps, KEYS), numbers(1, steps, 7).requires_grad_()
    saved = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        recalled = recall(past, read, weigh, list(range(1, 101)))
    assert recalled.requires_grad
    assert sum(saved.values()) <= past.numel() + read.numel() + weights * (steps + 10)


def test_it_reads_exactly_the_lags():
    """With weights frozen on one lag the aggregation sees what was played that long ago."""
    model, (notes, time, past) = memory(), inputs()
    seen = []
    model.aggregation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    everything = torch.cat([past, notes], 1)
    for index, lag in enumerate(LAGS):
        torch.nn.init.zeros_(model.weigh.weight)
        model.weigh.bias.data = 1e4 * torch.eye(len(LAGS)).double()[index]
        run(model, notes, time, past)
        recalled = seen.pop()[..., SIZES["local"] :]
        first = PAST + 1 - lag  # lag 1 is the current input
        torch.testing.assert_close(recalled, everything[:, first : first + STEPS])


@pytest.mark.parametrize("lags", [LAGS, [{"every": 2, "to": 6}]])
def test_history_as_input_shows_the_reader_what_it_can_read(lags):
    model, (notes, time, past) = memory(lags, history_as_input=True), inputs()
    seen = []
    model.read.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run(model, notes, time, past)
    everything = torch.cat([past, notes], 1)
    shifted = [everything[:, PAST + 1 - lag :][:, :STEPS] for lag in model.lags]
    torch.testing.assert_close(seen[0], torch.cat([notes, time, *shifted], -1))


@pytest.mark.parametrize("lags", [0, 3, [], [0], [1.5], [True], True, "8", [{"every": 0, "to": 3}]])
def test_lags_are_positive_numbers(lags):
    with pytest.raises(ValidationError, match="lags"):
        Params(lags=lags, history_as_input=False, **SIZES)


@pytest.mark.parametrize("history_as_input", [False, True])
def test_reading_weights_sum_to_one(history_as_input):
    model = memory(history_as_input=history_as_input)
    weights = run(model, *inputs(), model.reading)
    assert weights.shape == (BATCH, STEPS, len(LAGS))
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, STEPS).double())


def test_reading_tells_where_recall_reads():
    model, (notes, time, past) = memory(), inputs()
    seen = []
    model.aggregation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run(model, notes, time, past)
    weights = run(model, notes, time, past, model.reading)
    everything = torch.cat([past, notes], 1)
    read = sum(
        weights[..., i, None] * everything[:, PAST + 1 - lag :][:, :STEPS]
        for i, lag in enumerate(LAGS)
    )
    torch.testing.assert_close(seen[0][..., SIZES["local"] :], read)
