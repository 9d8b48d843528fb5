"""None: does not read from history; a control for HistoryUser.

The memory of the system "no_history": HistoryUser without its reading of the past. A local LSTM
sees the input and the clock, and an aggregation LSTM sees the outputs of the local one. All that
they know of the past is what they keep in their cells.
"""

from typing import NamedTuple

from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory


class Params(Schema):
    """Sizes of the two LSTMs.

    Attributes
    ----------
    local, aggregation : int
        Number of cells of each.
    """

    local: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    local, aggregation : tuple of Tensor[1, B, cells]
        Hidden and cell states of the LSTMs.
    """

    local: recurrent.State
    aggregation: recurrent.State


class Model(Memory):
    """Two LSTMs, one above the other; see `Memory`."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.aggregation)
        self.local = nn.LSTM(keys + CLOCK_BITS, params.local, batch_first=True)
        self.aggregation = nn.LSTM(params.local, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        return State(*(recurrent.zero_state(lstm, past) for lstm in (self.local, self.aggregation)))

    def forward(self, heard: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        notes = heard[:, -clock.shape[1] :]
        local, local_state = recurrent.run(self.local, [notes, clock], state.local)
        features, aggregation_state = recurrent.run(self.aggregation, [local], state.aggregation)
        return features, State(local_state, aggregation_state)
