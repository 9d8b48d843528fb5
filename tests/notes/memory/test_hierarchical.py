import pytest
import torch
from remembering import (
    STEPS,
    inputs,
    make,
    run,
    run_in_parts,
)
from torch import Tensor

from ostinato.notes.memory import hierarchical

CELLS = 6
levels = pytest.mark.parametrize("levels", [2, 3, 7])


def model(levels):
    return make(hierarchical, levels=levels, cells=CELLS, aggregation=9)


class Boundary(torch.autograd.Function):
    """Rounds the hard sigmoid of slope 1, and has its gradient."""

    @staticmethod
    def forward(ctx, edge: Tensor) -> Tensor:
        ctx.save_for_backward(edge)
        return ((edge + 1) / 2 > 0.5).double()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (edge,) = ctx.saved_tensors
        return grad * (edge.abs() < 1) / 2


def reference(memory, notes, time, past):
    """The equations of the paper, step by step and level by level; features and boundaries."""
    count = memory.levels
    zero = past.new_zeros(len(past), CELLS)
    h, c = [zero] * (count + 1), [zero] * count  # nothing is above the highest level
    z = [zero[:, :1]] * count
    features, boundaries = [], []
    for x in memory.embed(torch.cat([notes, time], -1)).unbind(1):
        below, ended = x, torch.ones_like(z[0])
        for level in range(count):
            seen = torch.cat([h[level], z[level] * h[level + 1], ended * below], -1)
            s = seen @ memory.weight[level] + memory.bias[level]
            f, i, o = (s[:, n * CELLS : (n + 1) * CELLS].sigmoid() for n in range(3))
            written = i * s[:, 3 * CELLS : 4 * CELLS].tanh()
            flush, update = z[level], (1 - z[level]) * ended
            copy = (1 - z[level]) * (1 - ended)
            c[level] = flush * written + update * (f * c[level] + written) + copy * c[level]
            h[level] = (flush + update) * o * c[level].tanh() + copy * h[level]
            z[level] = Boundary.apply(s[:, -1:]) if level < count - 1 else zero[:, :1]
            below, ended = h[level], z[level]
        everything = torch.cat(h[:-1], -1)
        opened = memory.open(everything).sigmoid().repeat_interleave(CELLS, -1) * everything
        features.append(memory.sum(opened).relu())
        boundaries.append(torch.cat(z, -1))
    return torch.stack(features, 1), torch.stack(boundaries, 1)


@levels
def test_it_follows_the_paper(levels):
    memory = model(levels)
    expected, boundaries = reference(memory, *inputs())
    assert all(0 < share < 1 for share in boundaries.mean((0, 1))[:-1])
    features = run(memory, *inputs())
    torch.testing.assert_close(features, expected)
    gradients = [
        torch.autograd.grad(output.square().sum(), list(memory.parameters()))
        for output in (features, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_higher_levels_stay_until_a_segment_ends():
    memory = model(3)
    notes, time, past = inputs()
    with torch.no_grad():
        memory.bias[0, 0, -1] = -1e3
    _, state = run_in_parts(memory, [STEPS], notes, time, past)
    assert state.h[0].abs().min() > 0
    assert not state.h[1:].any() and not state.z[0].any()


def test_the_highest_level_never_ends_a_segment():
    memory = model(3)
    notes, time, past = inputs()
    with torch.no_grad():
        memory.bias[..., -1] = 1e3
    _, state = run_in_parts(memory, [STEPS], notes, time, past)
    assert state.z[:, 0, 0].tolist() == [1, 1, 0]
