"""Hierarchical: the multiscale LSTM of Chung, Ahn and Bengio (2016, arXiv:1609.01704).

The memory of the systems "hierarchical_3" and "hierarchical_7". At each step, each level decides
whether a segment ends there, which is called a boundary. A level whose own segment ended at the
previous step begins a new one (FLUSH). A level whose lower neighbour has just ended a segment reads
it (UPDATE). All other levels keep their state (COPY), so higher levels change more slowly.

A boundary is 0 or 1, with a straight-through gradient: that of the hard sigmoid from which it is
rounded. Its slope parameter stays 1, while the paper raises it during training. The features are
those of the paper's output module, a gated sum of all levels. There is no aggregation LSTM above
the levels, because it could do without them.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory


class Params(Schema):
    """Sizes of the levels.

    Attributes
    ----------
    levels : int
        L, number of levels.
    cells : int
        Number of cells of each level.
    aggregation : int
        Number of features into which the levels are summed at each step.
    """

    levels: Annotated[int, Field(ge=2)]
    cells: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls: the states of all levels, the lowest first.

    Attributes
    ----------
    h, c : Tensor[L, B, cells]
        Hidden and cell states.
    z : Tensor[L, B, 1]
        1 where a segment ended at the last step.
    """

    h: Tensor
    c: Tensor
    z: Tensor


class Model(Memory):
    """Hierarchical multiscale LSTM; see `Memory`."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.aggregation)
        self.levels = params.levels
        self.cells = params.cells
        self.embed = nn.Linear(keys + CLOCK_BITS, params.cells)
        # Weights of each level: from itself, the level above and the level below to four gates and
        # the boundary. The highest level has no boundary.
        bound = params.cells**-0.5  # as nn.LSTM is initialised
        outputs = 4 * params.cells + 1
        weight = torch.empty(params.levels, 3 * params.cells, outputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        bias = torch.empty(params.levels, 1, outputs).uniform_(-bound, bound)
        bias[..., -1] = 0  # otherwise it would decide most boundaries at first
        self.bias = nn.Parameter(bias)
        self.open = nn.Linear(params.levels * params.cells, params.levels)
        self.sum = nn.Linear(params.levels * params.cells, params.aggregation)

    def initial(self, past: Tensor) -> State:
        zero = past.new_zeros(self.levels, len(past), self.cells)
        return State(zero, zero, zero[..., :1])

    def forward(self, heard: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        notes = heard[:, -clock.shape[1] :]
        inputs = self.embed(torch.cat([notes, clock], -1)).transpose(0, 1)
        outputs, state = self._run(inputs, state)
        opened = self.open(outputs.flatten(2)).sigmoid()[..., None] * outputs
        return self.sum(opened.flatten(2)).relu().transpose(0, 1), state

    def _run(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run all levels.

        A level needs the level below at the same step, and the level above at the previous step. So
        level l (from 0) computes step t in tick 2t + l. All even levels are computed together in
        even ticks, all odd levels in odd ticks, and each always needs the latest states of its
        neighbours.

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
        # The hard sigmoid (x + 1) / 2 has slope 1/2; the highest level's segment never ends.
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
                # Some levels have not reached the first step yet, or are beyond the last.
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
    """Advance every second level by one step.

    Parameters
    ----------
    own : State
        Of these N levels.
    neighbours : State
        Of the levels between and around them.
    below : Tensor[B, cells] or None
        The input, if the lowest of the N levels has no level below it.
    weight : Tensor[N, 3 cells, 4 cells + 1]
    bias : Tensor[N, 1, 4 cells + 1]
    growth : Tensor[N, 1, 1]
        Slope of the hard sigmoid of each boundary.

    Returns
    -------
    State
        Of the N levels.
    """
    around, ended = neighbours.h, neighbours.z
    if below is not None:
        around = torch.cat([below[None], around])
        ended = torch.cat([torch.ones_like(own.z[:1]), ended])
    if len(around) == len(own.h):  # there is nothing above the highest level
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
    z.detach().copy_(z > 0)  # straight-through: a new value, the same gradient
    return State(h, c, z)
