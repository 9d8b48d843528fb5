"""HistoryUser: an LSTM chooses at which lags to read the past.

The memory of the systems from "history_user" to "the_model". A reading LSTM looks at the input and
gives softmax weights over lags. The weighted sum of what was played at these lags and the output of
a local LSTM over the input are the inputs of an aggregation LSTM, whose outputs are the features.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ostinato.core import recurrent
from ostinato.core.schema import Lags, Positive, Schema
from ostinato.notes.parts.memory import CLOCK_BITS, Memory, lagged

TILE = 32
"""Steps that read with one matrix product. Its band matrix has TILE - 1 columns more than the
longest lag."""

KEPT = 2**22
"""Largest number of weights kept for the backward pass; if there are more, it recomputes them."""


class Params(Schema):
    """Sizes of HistoryUser.

    Attributes
    ----------
    lags : list of int
        Steps back that can be read; 1 is the previous step.
    history_as_input : bool
        Whether the reading LSTM also sees what was played at each lag.
    local, read, aggregation : int
        Number of cells of each of the three LSTMs.
    """

    lags: Lags
    history_as_input: bool
    local: Positive
    read: Positive
    aggregation: Positive


class State(NamedTuple):
    """What HistoryUser keeps between calls.

    Attributes
    ----------
    local, read, aggregation : tuple of Tensor[1, B, cells]
        Hidden and cell states of the LSTMs.
    """

    local: recurrent.State
    read: recurrent.State
    aggregation: recurrent.State


def recall(
    past: Tensor, read: Tensor, weigh: Callable[[Tensor], Tensor], lags: list[int]
) -> Tensor:
    """Read the past: at each step, a sum over lags, weighted by a softmax.

    The weights of several steps form a band matrix, in which each lag is a diagonal. The product of
    this matrix and the past reads for all these steps at once. So the use of memory is linear in
    time; with more weights than `KEPT`, only the inputs and one tile are in memory.

    Parameters
    ----------
    past : Tensor[B, P, K]
        What was played up to the last step, P = longest lag - 1 + T.
    read : Tensor[B, T, R]
        Outputs of the reading LSTM, from which the weights are computed.
    weigh : callable
        Turns Tensor[B, t, R], for any number t of steps, into logits, Tensor[B, t, lags].
    lags : list of int
        Steps back; 1 is the step itself.

    Returns
    -------
    Tensor[B, T, K]
    """
    reach = max(lags)
    columns = torch.tensor([reach - lag for lag in lags], device=past.device)

    def tile(past: Tensor, read: Tensor) -> Tensor:
        batch, steps, _ = read.shape
        weights = weigh(read).softmax(-1)
        rows = weights.new_zeros(batch, steps, reach + steps).index_add_(2, columns, weights)
        # Reshaped to one column fewer, each row begins one place further to the right.
        band = rows.flatten(1)[:, :-steps].view(batch, steps, reach + steps - 1)
        return band @ past

    forget = torch.is_grad_enabled() and read.shape[:2].numel() * len(lags) > KEPT
    recalled = []
    for i, part in enumerate(read.split(TILE, 1)):
        window = past[:, i * TILE : i * TILE + reach - 1 + part.shape[1]]
        if forget:
            recalled.append(
                checkpoint(tile, window, part, use_reentrant=False, preserve_rng_state=False)
            )
        else:
            recalled.append(tile(window, part))
    return torch.cat(recalled, 1)


class Model(Memory):
    """HistoryUser; see `Memory`.

    Attributes
    ----------
    lags : list of int
        Steps back that it can read.
    """

    def __init__(self, keys: int, params: Params):
        super().__init__(params.aggregation, max(params.lags))
        self.lags = params.lags
        self.history_as_input = params.history_as_input
        self.local = nn.LSTM(keys + CLOCK_BITS, params.local, batch_first=True)
        lagged_keys = keys * len(params.lags) if params.history_as_input else 0
        self.read = nn.LSTM(keys + CLOCK_BITS + lagged_keys, params.read, batch_first=True)
        self.weigh = nn.Linear(params.read, len(params.lags))
        self.aggregation = nn.LSTM(params.local + keys, params.aggregation, batch_first=True)

    def initial(self, past: Tensor) -> State:
        lstms = (self.local, self.read, self.aggregation)
        return State(*(recurrent.zero_state(lstm, past) for lstm in lstms))

    def forward(self, heard: Tensor, clock: Tensor, state: State) -> tuple[Tensor, State]:
        steps = clock.shape[1]
        local, local_state = recurrent.run(self.local, [heard[:, -steps:], clock], state.local)
        read, read_state = self._read(heard, clock, state.read)
        past = heard[:, heard.shape[1] - (self.context_length - 1 + steps) :]
        recalled = recall(past, read, self.weigh, self.lags)
        features, aggregation_state = recurrent.run(
            self.aggregation, [local, recalled], state.aggregation
        )
        return features, State(local_state, read_state, aggregation_state)

    def reading(self, heard: Tensor, clock: Tensor, state: State) -> Tensor:
        read, _ = self._read(heard, clock, state.read)
        return self.weigh(read).softmax(-1)

    def _read(
        self, heard: Tensor, clock: Tensor, state: recurrent.State
    ) -> tuple[Tensor, recurrent.State]:
        steps = clock.shape[1]
        parts = [heard[:, -steps:], clock]
        if self.history_as_input:
            parts.append(torch.cat([lagged(heard, lag, steps) for lag in self.lags], -1))
        return recurrent.run(self.read, parts, state)
