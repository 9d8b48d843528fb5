"""Capsules: a small LSTM for each lag, and an LSTM that aggregates them.

The memory of the system "capsules". Each capsule reads what was played at one lag, and does not see
the clock. The aggregation LSTM sees the outputs of all capsules, the current input and the clock.
"""

from typing import NamedTuple

from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Lags, Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory, lagged


class Params(Schema):
    """Lags, and sizes of the LSTMs.

    Attributes
    ----------
    lags : list of int
        Lags in steps, one for each capsule; 1 is the current input.
    capsule, aggregation : int
        Number of cells of each capsule, and of the aggregation LSTM.
    """

    lags: Lags
    capsule: Positive
    aggregation: Positive


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    capsules : list of recurrent.State
    aggregation : recurrent.State
    """

    capsules: list[recurrent.State]
    aggregation: recurrent.State


class Model(Memory):
    """Capsules and an aggregation LSTM; see `Memory`."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.aggregation, max(params.lags))
        self.lags = params.lags
        self.capsules = nn.ModuleList(
            nn.LSTM(keys, params.capsule, batch_first=True) for _ in params.lags
        )
        gathered = len(params.lags) * params.capsule + keys + CLOCK_BITS
        self.aggregation = nn.LSTM(gathered, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        capsules = [recurrent.zero_state(lstm, past) for lstm in self.capsules]
        return State(capsules, recurrent.zero_state(self.aggregation, past))

    def forward(self, heard: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        steps = clock.shape[1]
        outputs, capsules = [], []
        for lag, lstm, capsule in zip(self.lags, self.capsules, state.capsules, strict=True):
            output, capsule = recurrent.run(lstm, [lagged(heard, lag, steps)], capsule)
            outputs.append(output)
            capsules.append(capsule)
        parts = [*outputs, heard[:, -steps:], clock]
        features, aggregation = recurrent.run(self.aggregation, parts, state.aggregation)
        return features, State(capsules, aggregation)
