"""Capsules: a small LSTM for each lag, side by side, and one that gathers them.

The memory of the system "capsules". Each capsule follows the past at a distance of its own: it
hears what was played at one lag, and does not know the time. The gathering LSTM sees the outputs
of all, the current input and the time.
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
        Steps back that are read, a capsule each; 1 is the current input.
    capsule, aggregation : int
        Cells of each capsule and of the LSTM that gathers them.
    """

    lags: Annotated[list[Positive], Field(min_length=1)]
    capsule: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    past : Tensor[B, reach - 1, K]
        The inputs before the next one.
    capsules : list of tuple of Tensor[1, B, cells]
        Outputs and cells of each capsule.
    aggregation : tuple of Tensor[1, B, cells]
        Those of the gathering LSTM.
    """

    past: Tensor
    capsules: list[recurrent.State]
    aggregation: recurrent.State


class Memory(nn.Module):
    """Capsules and the LSTM that gathers them.

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
        self.reach = max(params.lags)
        self.features = params.aggregation
        self.capsules = nn.ModuleList(
            nn.LSTM(keys, params.capsule, batch_first=True) for _ in params.lags
        )
        gathered = len(params.lags) * params.capsule + keys + CLOCK_BITS
        self.aggregation = nn.LSTM(gathered, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        """As for `ostinato.notes.memory.history_user`: from Tensor[B, P, K], P >= reach - 1."""
        recent = past[:, past.shape[1] - (self.reach - 1) :]
        capsules = [recurrent.zero_state(lstm, past) for lstm in self.capsules]
        return State(recent, capsules, recurrent.zero_state(self.aggregation, past))

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """As for `ostinato.notes.memory.history_user.Memory`: features are Tensor[B, T, F]."""
        past = torch.cat([state.past, notes], 1)
        steps = notes.shape[1]
        outputs, capsules = [], []
        for lag, lstm, capsule in zip(self.lags, self.capsules, state.capsules, strict=True):
            heard = past[:, self.reach - lag : self.reach - lag + steps]
            output, capsule = recurrent.run(lstm, [heard], capsule)
            outputs.append(output)
            capsules.append(capsule)
        features, aggregation = recurrent.run(
            self.aggregation, [*outputs, notes, clock], state.aggregation
        )
        recent = past[:, past.shape[1] - (self.reach - 1) :]
        return features, State(recent, capsules, aggregation)
