"""Hierarchical: the multiscale LSTM of Chung, Ahn and Bengio (2016, arXiv:1609.01704).

The memory of the system "hierarchical". Each level decides at each step whether a segment ends
there, a boundary. A level whose own segment ended at the step before begins a new one (FLUSH), one
whose lower neighbour has just ended a segment reads it (UPDATE), all others stay as they are
(COPY), so higher levels move more slowly. A boundary is 0 or 1 and has the gradient of the hard
sigmoid that it is rounded from, whose slope stays 1 (the paper raises it while training). The
features are the paper's output module, a gated sum of all levels; an aggregation LSTM above them
could do without the levels.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS


class Params(Schema):
    """Sizes of the levels.

    Attributes
    ----------
    levels : int
        L.
    cells : int
        Cells of each level.
    aggregation : int
        Numbers a step into which the levels are summed.
    """

    levels: Annotated[int, Field(ge=2)]
    cells: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls, of all levels, the lowest first.

    Attributes
    ----------
    h, c : Tensor[L, B, cells]
        Outputs and cells.
    z : Tensor[L, B, 1]
        1 where a segment ended at the last step.
    """

    h: Tensor
    c: Tensor
    z: Tensor


class Memory(nn.Module):
    """Hierarchical multiscale LSTM.

    Parameters
    ----------
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Sizes.

    Attributes
    ----------
    features : int
        F, the numbers that it gives for a step.
    reach : int
        1: nothing before the first input is looked at.
    """

    reach = 1

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.levels = params.levels
        self.cells = params.cells
        self.features = params.aggregation
        self.embed = nn.Linear(keys + CLOCK_BITS, params.cells)
        # For each level: from itself, the level above and the one below to four gates and the
        # boundary. The highest level has no boundary.
        bound = params.cells**-0.5  # as nn.LSTM begins
        outputs = 4 * params.cells + 1
        weight = torch.empty(params.levels, 3 * params.cells, outputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        bias = torch.empty(params.levels, 1, outputs).uniform_(-bound, bound)
        bias[..., -1] = 0  # it would decide most boundaries before anything is learnt
        self.bias = nn.Parameter(bias)
        self.open = nn.Linear(params.levels * params.cells, params.levels)
        self.sum = nn.Linear(params.levels * params.cells, params.aggregation)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning, from a Tensor[B, P, K] only for batch and type."""
        zero = past.new_zeros(self.levels, len(past), self.cells)
        return State(zero, zero, zero[..., :1])

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """As for `ostinato.notes.memory.history_user.Memory`: features are Tensor[B, T, F]."""
        inputs = self.embed(torch.cat([notes, clock], -1)).transpose(0, 1)
        outputs, state = self._run(inputs, state)
        opened = self.open(outputs.flatten(2)).sigmoid()[..., None] * outputs
        return self.sum(opened.flatten(2)).relu().transpose(0, 1), state

    def _run(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run all levels.

        A level needs the one below at the same step, and the one above at the step before. So level
        l (from 0) is at step t in tick 2t + l: all even levels move at once in even ticks, all odd
        ones in odd ticks, and what they need of their neighbours is always the latest.

        Parameters
        ----------
        inputs : Tensor[T, B, cells]
        state : State

        Returns
        -------
        outputs : Tensor[T, B, L, cells]
        state : State
        """
        steps, count = len(inputs), self.levels
        last = 2 * (steps - 1)
        heard = inputs.unbind()
        levels = torch.arange(count, device=inputs.device)[:, None, None]
        halves = [State(*(tensor[half::2] for tensor in state)) for half in (0, 1)]
        # The hard sigmoid (x + 1) / 2 grows by a half; the highest level's segment never ends.
        growth = (levels < count - 1).to(inputs.dtype) / 2
        weights = [
            tuple(tensor[half::2] for tensor in (self.weight, self.bias, growth)) for half in (0, 1)
        ]
        outputs: tuple[list[Tensor], list[Tensor]] = ([], [])
        for tick in range(last + count):
            half = tick % 2
            before, moving = halves[half], levels[half::2]
            below = heard[min(tick, last) // 2] if half == 0 else None
            after = _move(before, halves[1 - half], below, *weights[half])
            if tick < count - 1 or tick > last:
                # Some levels are not yet at the first step, or have done the last.
                now = (moving <= tick) & (tick <= moving + last)
                pairs = zip(after, before, strict=True)
                after = State(*(torch.where(now, *pair) for pair in pairs))
            halves[half] = after
            outputs[half].append(after.h)
        ticks = [torch.stack(h) for h in outputs]
        places = [divmod(level, 2) for level in range(count)]
        by_level = [ticks[half][i : i + steps, i] for i, half in places]
        both = zip(*halves, strict=True)
        state = State(*(torch.stack([pair[half][i] for i, half in places]) for pair in both))
        return torch.stack(by_level, 2), state


def _move(
    own: State,
    neighbours: State,
    below: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    growth: Tensor,
) -> State:
    """Move every second level by a step.

    Parameters
    ----------
    own : State
        Of N levels.
    neighbours : State
        Of the levels between and around them.
    below : Tensor[B, cells] or None
        What the lowest of the N levels sees in place of a level below it.
    weight : Tensor[N, 3 cells, 4 cells + 1]
    bias : Tensor[N, 1, 4 cells + 1]
    growth : Tensor[N, 1, 1]
        Of the probability of a boundary.

    Returns
    -------
    State
        Of the N levels.
    """
    around, ended = neighbours.h, neighbours.z
    if below is not None:
        around = torch.cat([below[None], around])
        ended = torch.cat([torch.ones_like(own.z[:1]), ended])
    if len(around) == len(own.h):  # nothing is above the highest level
        around = torch.cat([around, torch.zeros_like(own.h[:1])])
    lower, ended, upper = around[: len(own.h)], ended[: len(own.h)], around[1 : len(own.h) + 1]
    seen = torch.cat([own.h, own.z * upper, ended * lower], -1)
    size = own.h.shape[-1]
    gates, new, edge = torch.baddbmm(bias, seen, weight).split([3 * size, size, 1], -1)
    keep, acting = gates.sigmoid().split([size, 2 * size], -1)
    goes_on = 1 - own.z
    copied = goes_on * (1 - ended)
    updated = goes_on * ended
    write_in, show = (acting * (1 - copied)).split(size, -1)
    c = torch.addcmul(torch.addcmul(copied, updated, keep) * own.c, write_in, new.tanh())
    h = torch.addcmul(copied * own.h, show, c.tanh())
    z = functional.hardtanh(edge) * growth
    z.detach().copy_(z > 0)  # another value, the same gradient
    return State(h, c, z)
