"""HistoryUser: an LSTM that chooses from which lag of the past to read.

The memory of the systems from "history_user" to "the_model". A reading LSTM looks at the input and
gives softmax weights over lags; the weighted sum of what was played at those lags, and a local LSTM
over the input, go to an aggregation LSTM, whose output are the features.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS

TILE = 32
"""Steps that are read in one product; their band is wider than the reach by as many columns."""

KEPT = 2**22
"""Weights that are kept for the backward pass; where there are more, it computes them anew."""


def _all_to(last: Any) -> Any:
    return list(range(1, last + 1)) if type(last) is int else last


class Params(Schema):
    """Sizes of HistoryUser.

    Attributes
    ----------
    lags : list of int, or int
        Steps back that can be read; 1 is the current input. A number n stands for 1 to n.
    history_as_input : bool
        Whether the reading LSTM sees what was played at every lag, too.
    local, read, aggregation : int
        Cells of the three LSTMs.
    """

    lags: Annotated[list[Positive], Field(min_length=1), BeforeValidator(_all_to)]
    history_as_input: bool
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


def recall(
    past: Tensor, read: Tensor, weigh: Callable[[Tensor], Tensor], lags: list[int]
) -> Tensor:
    """Read the past: at each step a sum over lags, weighted by a softmax.

    The weights of some steps are the diagonals of a band matrix, and its product with the past
    reads for all of these steps. So memory is linear in time, and with more weights than `KEPT` it
    is that of the inputs and a tile.

    Parameters
    ----------
    past : Tensor[B, P, K]
        What was played up to the last step, P = longest lag - 1 + T.
    read : Tensor[B, T, R]
        What the weights are computed from.
    weigh : callable
        Turns Tensor[B, t, R], any t steps, into logits, Tensor[B, t, lags].
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
        # Laid out anew, a column narrower, each row begins one place further to the right.
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
    lags : list of int
        Steps back that it can read.
    reach : int
        The longest lag, in steps.
    """

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.lags = params.lags
        self.history_as_input = params.history_as_input
        self.reach = max(params.lags)
        self.features = params.aggregation
        self.local = nn.LSTM(keys + CLOCK_BITS, params.local, batch_first=True)
        lagged = keys * len(params.lags) if params.history_as_input else 0
        self.read = nn.LSTM(keys + CLOCK_BITS + lagged, params.read, batch_first=True)
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
        past = torch.cat([state.past, notes], 1)
        local, local_state = recurrent.run(self.local, [notes, clock], state.local)
        read, read_state = self._read(past, notes, clock, state.read)
        recalled = recall(past, read, self.weigh, self.lags)
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
        past = torch.cat([state.past, notes], 1)
        read, _ = self._read(past, notes, clock, state.read)
        return self.weigh(read).softmax(-1)

    def _read(
        self, past: Tensor, notes: Tensor, clock: Tensor, state: recurrent.State
    ) -> tuple[Tensor, recurrent.State]:
        parts = [notes, clock]
        if self.history_as_input:
            first = [self.reach - lag for lag in self.lags]
            parts.append(torch.cat([past[:, i : i + notes.shape[1]] for i in first], -1))
        return recurrent.run(self.read, parts, state)
