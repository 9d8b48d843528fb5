"""Lookback: what was played at fixed lags, side by side, as the input of LSTMs.

The memory of the systems "first_model", with one LSTM of 300, and "upgraded", with two stacked ones
of 100 that also know the time. Nothing chooses where to read: all lags are always there.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS


class Params(Schema):
    """What is read, and the LSTMs.

    Attributes
    ----------
    lags : list of int
        Steps back that are read; 1 is the current input.
    hidden : list of int
        Cells of each LSTM, the lowest first.
    clock : bool
        Whether the lowest LSTM knows the time.
    """

    lags: Annotated[list[Positive], Field(min_length=1)]
    hidden: Annotated[list[Positive], Field(min_length=1)]
    clock: bool


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    past : Tensor[B, reach - 1, K]
        The inputs before the next one.
    layers : list of tuple of Tensor[1, B, cells]
        Outputs and cells of each LSTM.
    """

    past: Tensor
    layers: list[recurrent.State]


class Memory(nn.Module):
    """Fixed lags into stacked LSTMs.

    Parameters
    ----------
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Lags and sizes.

    Attributes
    ----------
    features : int
        F, the numbers that it gives for a step.
    reach : int
        The longest lag, in steps.
    """

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.lags = params.lags
        self.clock = params.clock
        self.reach = max(params.lags)
        self.features = params.hidden[-1]
        inputs = len(params.lags) * keys + (CLOCK_BITS if params.clock else 0)
        self.layers = nn.ModuleList(
            nn.LSTM(size, cells, batch_first=True)
            for size, cells in zip([inputs, *params.hidden], params.hidden, strict=False)
        )

    def initial(self, past: Tensor) -> State:
        """As for `ostinato.notes.memory.history_user`: from Tensor[B, P, K], P >= reach - 1."""
        recent = past[:, past.shape[1] - (self.reach - 1) :]
        return State(recent, [recurrent.zero_state(lstm, past) for lstm in self.layers])

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """As for `ostinato.notes.memory.history_user.Memory`: features are Tensor[B, T, F]."""
        past = torch.cat([state.past, notes], 1)
        steps = notes.shape[1]
        parts = [past[:, self.reach - lag : self.reach - lag + steps] for lag in self.lags]
        if self.clock:
            parts.append(clock)
        layers = []
        for lstm, layer in zip(self.layers, state.layers, strict=True):
            output, layer = recurrent.run(lstm, parts, layer)
            layers.append(layer)
            parts = [output]
        return output, State(past[:, past.shape[1] - (self.reach - 1) :], layers)
