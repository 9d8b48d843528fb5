"""What every memory has to do, for their tests."""

from types import ModuleType
from typing import Any

import torch
from sampling import needs_bfloat16
from torch import Tensor, nn

from ostinato.notes.memory import clock

KEYS, BATCH, STEPS, PAST = 5, 3, 40, 20


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random notes, their clock, and what was played before."""
    generator = torch.Generator().manual_seed(seed)
    notes = (torch.rand(BATCH, STEPS, KEYS, generator=generator) < 0.3).double()
    past = (torch.rand(BATCH, PAST, KEYS, generator=generator) < 0.3).double()
    return notes, clock(torch.tensor([0, 7, 100]), STEPS, torch.float64), past


def make(module: ModuleType, **params: Any) -> nn.Module:
    """A memory with random weights."""
    torch.manual_seed(1)
    return module.Memory(KEYS, module.Params(**params)).double()


def run(model: nn.Module, notes: Tensor, time: Tensor, past: Tensor) -> Tensor:
    """The features of a whole sequence."""
    features, _ = model(notes, time, model.initial(past))
    return features


def check_parts(model: nn.Module) -> None:
    """A whole sequence gives the same as its steps, and as parts of any length."""
    notes, time, past = inputs()
    whole = run(model, notes, time, past)
    assert whole.shape == (BATCH, STEPS, model.features)
    for lengths in ([1] * STEPS, [1, 9, 2, 27, 1]):
        state, parts = model.initial(past), []
        for some, when in zip(notes.split(lengths, 1), time.split(lengths, 1), strict=True):
            features, state = model(some, when, state)
            parts.append(features)
        torch.testing.assert_close(torch.cat(parts, 1), whole)


def check_order(model: nn.Module) -> None:
    """Features see no later input, and no other sequence."""
    notes, time, past = inputs()
    before = run(model, notes, time, past)
    changed = notes.clone()
    changed[0, 25:] = 1 - changed[0, 25:]
    after = run(model, changed, time, past)
    torch.testing.assert_close(after[0, :25], before[0, :25])
    torch.testing.assert_close(after[1:], before[1:])
    assert not torch.allclose(after[0, 25:], before[0, 25:])


def check_gradients(model: nn.Module) -> None:
    """Every weight learns."""
    run(model, *inputs()).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def check_mixed_precision(model: nn.Module) -> None:
    """It trains in bfloat16, too."""
    needs_bfloat16()
    notes, time, past = (tensor.float() for tensor in inputs())
    with torch.autocast("cpu", torch.bfloat16):
        features = run(model.float(), notes, time, past)
    features.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def first_change(model: nn.Module, step: int) -> int:
    """The first step whose features change with the notes of a step, -1 for the one before all."""
    notes, time, past = inputs()
    before = run(model, notes, time, past)
    changed = torch.cat([past, notes], 1)
    changed[:, PAST + step] = 1 - changed[:, PAST + step]
    after = run(model, changed[:, PAST:], time, changed[:, :PAST])
    return int((after != before).any(-1).any(0).nonzero()[0])
