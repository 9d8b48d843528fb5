"""None: no reading from history, the control of HistoryUser.

The memory of the system "no_history": HistoryUser without what it reads. A local LSTM looks at the
input and the time, and an aggregation LSTM at the local one; what they keep in their cells is all
that they know of the past.
"""

from typing import NamedTuple

from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS


class Params(Schema):
    """Sizes of the two LSTMs.

    Attributes
    ----------
    local, aggregation : int
        Cells.
    """

    local: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    local, aggregation : tuple of Tensor[1, B, cells]
        Outputs and cells of the LSTMs.
    """

    local: recurrent.State
    aggregation: recurrent.State


class Memory(nn.Module):
    """No memory but that of LSTMs; methods as for `ostinato.notes.memory.history_user.Memory`.

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
        self.features = params.aggregation
        self.local = nn.LSTM(keys + CLOCK_BITS, params.local, batch_first=True)
        self.aggregation = nn.LSTM(params.local, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning, from a Tensor[B, P, K] only for batch and type."""
        return State(*(recurrent.zero_state(lstm, past) for lstm in (self.local, self.aggregation)))

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """Turn Tensor[B, T, K] and Tensor[B, T, 6] into features, Tensor[B, T, F]."""
        local, local_state = recurrent.run(self.local, [notes, clock], state.local)
        features, aggregation_state = recurrent.run(self.aggregation, [local], state.aggregation)
        return features, State(local_state, aggregation_state)
