"""Lookback: what was played at fixed lags is the input of one or more stacked LSTMs.

The memory of the systems "first_model", with one LSTM of 300 cells, and "upgraded", with two
stacked LSTMs of 100 cells that also see the clock. All lags are always part of the input: there is
no choice of where to read.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Lags, Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory, lagged


class Params(Schema):
    """Lags, and sizes of the LSTMs.

    Attributes
    ----------
    lags : list of int
        Lags in steps; 1 is the current input.
    hidden : list of int
        Number of cells of each LSTM, the lowest first.
    clock : bool
        Whether the lowest LSTM sees the clock.
    """

    lags: Lags
    hidden: Annotated[list[Positive], Field(min_length=1)]
    clock: bool


class Model(Memory):
    """Fixed lags and stacked LSTMs; see `Memory`. Its state is that of each LSTM, lowest first."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.hidden[-1], max(params.lags))
        self.lags = params.lags
        self.clock = params.clock
        inputs = len(params.lags) * keys + (CLOCK_BITS if params.clock else 0)
        self.layers = nn.ModuleList(
            nn.LSTM(size, cells, batch_first=True)
            for size, cells in zip([inputs, *params.hidden], params.hidden, strict=False)
        )

    def initial(self, past: Tensor) -> list[recurrent.State]:
        return [recurrent.zero_state(lstm, past) for lstm in self.layers]

    def forward(
        self, heard: Tensor, clock: Tensor, state: list[recurrent.State]
    ) -> tuple[Tensor, list[recurrent.State]]:
        parts = [lagged(heard, lag, clock.shape[1]) for lag in self.lags]
        if self.clock:
            parts.append(clock)
        after = []
        for lstm, layer in zip(self.layers, state, strict=True):
            output, layer = recurrent.run(lstm, parts, layer)
            after.append(layer)
            parts = [output]
        return output, after
