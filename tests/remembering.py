"""What every memory has to do, for their tests."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from sampling import needs_bfloat16
from torch import Tensor

from ostinato.notes.parts.memory import Memory, clock

KEYS, BATCH, STEPS, PAST = 5, 3, 40, 20


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random notes, the clock of the steps after each, and what was played before.

    The first of the notes is the last step of the past of a memory.
    """
    generator = torch.Generator().manual_seed(seed)
    notes = (torch.rand(BATCH, STEPS, KEYS, generator=generator) < 0.3).double()
    past = (torch.rand(BATCH, PAST, KEYS, generator=generator) < 0.3).double()
    return notes, clock(torch.tensor([[0], [7], [100]]) + torch.arange(STEPS), torch.float64), past


def make(module: ModuleType, **params: Any) -> Memory:
    """A memory with random weights."""
    torch.manual_seed(1)
    return module.Model(KEYS, module.Params(**params)).double()


def begin(model: Memory, notes: Tensor, past: Tensor) -> Any:
    """The state before the first of the notes."""
    return model.initial(torch.cat([past, notes[:, :1]], 1))


def run(
    model: Memory,
    notes: Tensor,
    time: Tensor,
    past: Tensor,
    function: Callable[..., Any] | None = None,
) -> Tensor:
    """The features of a whole sequence, or what another function says about it."""
    heard, state = torch.cat([past, notes], 1), begin(model, notes, past)
    return function(heard, time, state) if function else model(heard, time, state)[0]


def run_in_parts(model: Memory, lengths: list[int], *given: Tensor) -> tuple[Tensor, Any]:
    """The features of a sequence heard in parts, and the state after it."""
    notes, time, past = given
    known, state = torch.cat([past, notes], 1), begin(model, notes, past)
    parts, first = [], 0
    for length in lengths:
        last = first + length
        heard = known[:, first : past.shape[1] + last]
        features, state = model(heard, time[:, first:last], state)
        parts.append(features)
        first = last
    return torch.cat(parts, 1), state


def check_parts(model: Memory) -> None:
    """A whole sequence gives the same as its steps, and as parts of any length."""
    whole = run(model, *inputs())
    assert whole.shape == (BATCH, STEPS, model.num_features)
    for lengths in ([1] * STEPS, [1, 9, 2, 27, 1]):
        parts, _ = run_in_parts(model, lengths, *inputs())
        torch.testing.assert_close(parts, whole)


def check_context(model: Memory) -> None:
    """It reads no step but those that it says it reads, and what it kept."""
    notes, time, past = inputs()
    few = past[:, PAST - (model.context_length - 1) :]
    torch.testing.assert_close(run(model, notes, time, few), run(model, notes, time, past))


def check_order(model: Memory) -> None:
    """Features see no later input, and no other sequence."""
    notes, time, past = inputs()
    before = run(model, notes, time, past)
    changed = notes.clone()
    changed[0, 25:] = 1 - changed[0, 25:]
    after = run(model, changed, time, past)
    torch.testing.assert_close(after[0, :25], before[0, :25])
    torch.testing.assert_close(after[1:], before[1:])
    assert not torch.allclose(after[0, 25:], before[0, 25:])


def check_gradients(model: Memory) -> None:
    """Every weight learns."""
    run(model, *inputs()).square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def check_mixed_precision(model: Memory) -> None:
    """It trains in bfloat16, too, even on fragments of a single step."""
    needs_bfloat16()
    model = model.float()
    notes, time, past = (tensor.float().repeat(5, 1, 1) for tensor in inputs())
    with torch.autocast("cpu", torch.bfloat16):
        features = run(model, notes, time, past)
        single = run(model, notes[:, :1], time[:, :1], past)
    torch.testing.assert_close(single, features[:, :1], atol=0.03, rtol=0.03)
    features.float().square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def check_device(model: Memory) -> None:
    """No tensor is made without a device: on a GPU it would lie elsewhere."""
    given = inputs()
    with torch.device("meta"):
        features = run(model, *given)
        features.sum().backward()
        single = run(model, given[0][:, :1], given[1][:, :1], given[2])
    assert (features.device.type, single.device.type) == ("cpu", "cpu")


def first_change(model: Memory, step: int) -> int:
    """The first step whose features change with the notes of a step, -1 for the one before all."""
    notes, time, past = inputs()
    before = run(model, notes, time, past)
    changed = torch.cat([past, notes], 1)
    changed[:, PAST + step] = 1 - changed[:, PAST + step]
    after = run(model, changed[:, PAST:], time, changed[:, :PAST])
    return int((after != before).any(-1).any(0).nonzero()[0])
