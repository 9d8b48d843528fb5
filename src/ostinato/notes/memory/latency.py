"""Latency: LSTM cells that take their own state from many steps ago.

The memory of the systems "latency_test", "latency_one_layer" and "latency_capsules". A group of
cells with delay d takes its output and cell from d steps ago, where a usual LSTM takes them from
the step before; all begin at zero. Either all groups are one LSTM, whose gates see the input, the
time and the outputs of all groups, each from its own delay ago; or each group is an LSTM of its
own. An aggregation LSTM sees the outputs of all.

The step after the current one repeats what was heard p - 1 steps ago if the period is p, so the
delay that finds it is p - 1: the groups of delay p know what the current step repeats.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS

Delayed = list[tuple[Tensor, Tensor]]
"""Outputs and cells of a group, Tensor[B, cells] each, at the last ``delay`` steps; oldest first.

Lists, so that a single step copies none of them.
"""


class Params(Schema):
    """The groups, and the LSTM that gathers them.

    Attributes
    ----------
    delays : list of int
        Steps from which a group takes its state, a group each; 1 is a usual LSTM.
    cells : int
        Cells of each group.
    separate : bool
        Whether each group is an LSTM of its own.
    aggregation : int
        Cells of the aggregation LSTM.
    """

    delays: Annotated[list[Positive], Field(min_length=1)]
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
        Outputs and cells of the aggregation LSTM.
    """

    groups: list[Delayed]
    aggregation: recurrent.State


class Memory(nn.Module):
    """Groups of delayed cells and an aggregation LSTM.

    Parameters
    ----------
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Delays and sizes.

    Attributes
    ----------
    features : int
        F, the numbers that it gives for a step.
    reach : int
        1: all groups begin at zero, whatever was played before.
    """

    reach = 1

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.delays = params.delays
        self.cells = params.cells
        self.features = params.aggregation
        self.groups = (Separate if params.separate else Joint)(keys + CLOCK_BITS, params)
        outputs = len(params.delays) * params.cells
        self.aggregation = nn.LSTM(outputs, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning, from a Tensor[B, P, K] only for batch and type."""
        zero = past.new_zeros(len(past), self.cells)
        groups = [[(zero, zero)] * delay for delay in self.delays]
        return State(groups, recurrent.zero_state(self.aggregation, past))

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """As for `ostinato.notes.memory.history_user.Memory`: features are Tensor[B, T, F]."""
        outputs, groups = self.groups(torch.cat([notes, clock], -1), state.groups)
        features, aggregation = recurrent.run(self.aggregation, [outputs], state.aggregation)
        return features, State(groups, aggregation)


class Joint(nn.Module):
    """One LSTM for all groups.

    Parameters
    ----------
    inputs : int
        I, numbers a step that it sees.
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
            # A group's list begins its delay before the first step.
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
    """An LSTM of its own for each group.

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
            # Whole rounds of the delay first, then the steps that are left.
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
    """Run an LSTM over S sequences at once, of which a step each stands in turn in the inputs.

    Parameters
    ----------
    lstm : nn.LSTM
    inputs : Tensor[B, N x S, I]
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
