"""HistoryUser: an LSTM that chooses from which lag of the past to read.

The memory of the systems from "history_user" to "the_model". A reading LSTM looks at the input and
gives softmax weights over fixed lags; the weighted sum of what was played at those lags, and a
local LSTM over the input, go to an aggregation LSTM, whose output are the features.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.memory import CLOCK_BITS
from ostinato.params import Positive, Schema

LSTMState = tuple[Tensor, Tensor]


class Params(Schema):
    """Sizes of HistoryUser.

    Attributes
    ----------
    lags : list of int
        Steps back that can be read; 1 is the current input.
    local, read, aggregation : int
        Cells of the three LSTMs.
    """

    lags: Annotated[list[Positive], Field(min_length=1)]
    local: Positive
    read: Positive
    aggregation: Positive


class State(NamedTuple):
    """What HistoryUser keeps between calls.

    Attributes
    ----------
    past : Tensor[B, reach - 1, K]
        The inputs before the next one.
    local, read, aggregation : tuple of Tensor[1, B, cells]
        Outputs and cells of the LSTMs.
    """

    past: Tensor
    local: LSTMState
    read: LSTMState
    aggregation: LSTMState


class Memory(nn.Module):
    """HistoryUser.

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
        The longest lag, in steps.
    """

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.lags = params.lags
        self.reach = max(params.lags)
        self.features = params.aggregation
        self.local = nn.LSTM(keys + CLOCK_BITS, params.local, batch_first=True)
        self.read = nn.LSTM(keys + CLOCK_BITS, params.read, batch_first=True)
        self.weigh = nn.Linear(params.read, len(params.lags))
        self.aggregation = nn.LSTM(params.local + keys, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before the first input, P at least ``reach - 1``.

        Returns
        -------
        State
            With the LSTMs at zero.
        """

        def zeros(lstm: nn.LSTM) -> LSTMState:
            zero = past.new_zeros(1, len(past), lstm.hidden_size)
            return zero, zero

        recent = past[:, past.shape[1] - (self.reach - 1) :]
        return State(recent, zeros(self.local), zeros(self.read), zeros(self.aggregation))

    def forward(self, notes: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        """Turn the notes of some steps into features for predicting the step after each.

        Parameters
        ----------
        notes : Tensor[B, T, K]
            Inputs; the last is the step before the last predicted one.
        clock : Tensor[B, T, 6]
            Number of the predicted step modulo 64, in binary.
        state : State
            From `initial` or an earlier call.

        Returns
        -------
        features : Tensor[B, T, F]
        state : State
        """
        heard = torch.cat([notes, clock], -1)
        local, local_state = self.local(heard, state.local)
        weights, read_state = self._weights(heard, state.read)
        past = torch.cat([state.past, notes], 1)
        steps = notes.shape[1]
        # Each lag is a shifted view of the past, so no tensor of batch x time x lags x keys exists.
        recalled = sum(
            weights[..., i, None] * past[:, self.reach - lag : self.reach - lag + steps]
            for i, lag in enumerate(self.lags)
        )
        features, aggregation_state = self.aggregation(
            torch.cat([local, recalled], -1), state.aggregation
        )
        recent = past[:, past.shape[1] - (self.reach - 1) :]
        return features, State(recent, local_state, read_state, aggregation_state)

    def reading(self, notes: Tensor, clock: Tensor, state: State) -> Tensor:
        """Tell where it reads.

        Parameters
        ----------
        notes, clock, state
            As for `forward`.

        Returns
        -------
        Tensor[B, T, lags]
            The weight of each lag; they sum to 1.
        """
        return self._weights(torch.cat([notes, clock], -1), state.read)[0]

    def _weights(self, heard: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        read, state = self.read(heard, state)
        return self.weigh(read).softmax(-1), state
