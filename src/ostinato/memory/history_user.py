"""HistoryUser: an LSTM that chooses from which lag of the past to read.

The memory of the systems from "history_user" to "the_model". A reading LSTM looks at the input and
gives softmax weights over fixed lags; the weighted sum of what was played at those lags, and a
local LSTM over the input, go to an aggregation LSTM, whose output are the features.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato import recurrent
from ostinato.memory import CLOCK_BITS
from ostinato.params import Positive, Schema


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
    local: recurrent.State
    read: recurrent.State
    aggregation: recurrent.State


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
        lstms = (self.local, self.read, self.aggregation)
        recent = past[:, past.shape[1] - (self.reach - 1) :]
        return State(recent, *(recurrent.zero_state(lstm, past) for lstm in lstms))

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
        local, local_state = recurrent.run(self.local, [notes, clock], state.local)
        weights, read_state = self._weights(notes, clock, state.read)
        past = torch.cat([state.past, notes], 1)
        steps = notes.shape[1]
        # Each lag is a shifted view of the past, so no tensor of batch x time x lags x keys exists.
        recalled = sum(
            weights[..., i, None] * past[:, self.reach - lag : self.reach - lag + steps]
            for i, lag in enumerate(self.lags)
        )
        features, aggregation_state = recurrent.run(
            self.aggregation, [local, recalled], state.aggregation
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
        return self._weights(notes, clock, state.read)[0]

    def _weights(
        self, notes: Tensor, clock: Tensor, state: recurrent.State
    ) -> tuple[Tensor, recurrent.State]:
        read, state = recurrent.run(self.read, [notes, clock], state)
        return self.weigh(read).softmax(-1), state
