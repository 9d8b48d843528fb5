"""Latency: LSTM cells that take their own state from many steps ago.

The memory of the systems "latency_test", "latency_one_layer" and "latency_capsules". A group of
cells with delay d takes its hidden and cell state from d steps ago, while an ordinary LSTM takes
them from the previous step; all states begin at zero. Either all groups form one LSTM, whose gates
see the input, the clock and the delayed outputs of all groups, or each group is a separate LSTM. An
aggregation LSTM sees the outputs of all groups.

If music repeats with period p, the next step is what was heard p - 1 steps before the current
input. So the delay that finds it is p - 1; a group with delay p knows what the current input
repeats.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.schema import Lags, Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory

Delayed = list[tuple[Tensor, Tensor]]
"""Hidden and cell states of a group, Tensor[B, cells] each, at the last ``delay`` steps, the oldest
first. They are in a list, so that a single step copies none of them."""


class Params(Schema):
    """The groups and the aggregation LSTM.

    Attributes
    ----------
    delays : list of int
        Delay of each group in steps; 1 is that of an ordinary LSTM.
    cells : int
        Number of cells of each group.
    separate : bool
        Whether each group is a separate LSTM.
    aggregation : int
        Number of cells of the aggregation LSTM.
    """

    delays: Lags
    cells: Positive
    separate: bool
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    groups : list of Delayed
        Those of each group.
    aggregation : tuple of Tensor[1, B, cells]
        Hidden and cell state of the aggregation LSTM.
    """

    groups: list[Delayed]
    aggregation: recurrent.State


class Model(Memory):
    """Groups of delayed cells and an aggregation LSTM; see `Memory`."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.aggregation)
        self.delays = params.delays
        self.cells = params.cells
        self.groups = (Separate if params.separate else Joint)(keys + CLOCK_BITS, params)
        outputs = len(params.delays) * params.cells
        self.aggregation = nn.LSTM(outputs, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        zero = past.new_zeros(len(past), self.cells)
        groups = [[(zero, zero)] * delay for delay in self.delays]
        return State(groups, recurrent.zero_state(self.aggregation, past))

    def forward(self, heard: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        notes = heard[:, -clock.shape[1] :]
        outputs, groups = self.groups(torch.cat([notes, clock], -1), state.groups)
        features, aggregation = recurrent.run(self.aggregation, [outputs], state.aggregation)
        return features, State(groups, aggregation)


class Joint(nn.Module):
    """One LSTM for all groups.

    Parameters
    ----------
    inputs : int
        I, number of inputs per step.
    params : Params
        Delays and sizes.
    """

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        self.cells = params.cells
        self.lstm = nn.LSTM(inputs, len(params.delays) * params.cells, batch_first=True)

    def forward(self, inputs: Tensor, groups: list[Delayed]) -> tuple[Tensor, list[Delayed]]:
        """Turn Tensor[B, T, I] into the outputs of all groups, Tensor[B, T, groups x cells]."""
        lstm, size = self.lstm, self.lstm.hidden_size
        bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
        heard = functional.linear(inputs, lstm.weight_ih_l0, bias).unbind(1)
        recur = lstm.weight_hh_l0.T
        groups = [list(group) for group in groups]
        outputs = []
        for step, gates in enumerate(heard):
            # A group's list begins `delay` steps before the first step.
            before = zip(*(group[step] for group in groups), strict=True)
            h, c = (torch.cat(parts, -1) for parts in before)
            gates = torch.addmm(gates, h, recur)
            write_in, keep, new, show = gates.split(size, -1)
            c = keep.sigmoid() * c + write_in.sigmoid() * new.tanh()
            h = show.sigmoid() * c.tanh()
            outputs.append(h)
            after = zip(h.split(self.cells, -1), c.split(self.cells, -1), strict=True)
            for group, now in zip(groups, after, strict=True):
                group.append(now)
        return torch.stack(outputs, 1), [group[len(heard) :] for group in groups]


class Separate(nn.Module):
    """A separate LSTM for each group.

    Parameters
    ----------
    inputs, params
        As for `Joint`.
    """

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        self.lstms = nn.ModuleList(
            nn.LSTM(inputs, params.cells, batch_first=True) for _ in params.delays
        )

    def forward(self, inputs: Tensor, groups: list[Delayed]) -> tuple[Tensor, list[Delayed]]:
        """As for `Joint`."""
        outputs, after = [], []
        for lstm, group in zip(self.lstms, groups, strict=True):
            # First a multiple of the delay, then the steps that are left.
            rest = inputs.shape[1] % len(group)
            parts = []
            for part in inputs.split([inputs.shape[1] - rest, rest], 1):
                if part.shape[1]:
                    output, now = _interleaved(lstm, part, group[: part.shape[1]])
                    group = group[len(now) :] + now
                    parts.append(output)
            outputs.append(torch.cat(parts, 1))
            after.append(group)
        return torch.cat(outputs, -1), after


def _interleaved(lstm: nn.LSTM, inputs: Tensor, before: Delayed) -> tuple[Tensor, Delayed]:
    """Run an LSTM over S interleaved sequences at once.

    Parameters
    ----------
    lstm : nn.LSTM
    inputs : Tensor[B, N x S, I]
        The first step of each sequence, then the second step of each, and so on.
    before : Delayed
        The states of the S sequences.

    Returns
    -------
    outputs : Tensor[B, N x S, H]
    after : Delayed
        The states of the S sequences.
    """
    batch, sequences = len(inputs), len(before)
    apart = inputs.unflatten(1, (-1, sequences)).transpose(1, 2).flatten(0, 1)
    h, c = (torch.stack(parts, 1).flatten(0, 1)[None] for parts in zip(*before, strict=True))
    outputs, state = lstm(apart, (h, c))
    h, c = (tensor[0].unflatten(0, (batch, sequences)).unbind(1) for tensor in state)
    together = outputs.unflatten(0, (batch, sequences)).transpose(1, 2).flatten(1, 2)
    return together, list(zip(h, c, strict=True))
