"""Running an LSTM over a whole sequence, or over a single step."""

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""The hidden state and the cell state of an LSTM with one layer, Tensor[1, B, H] each."""

MANY = 12
"""From this batch size on, PyTorch's LSTM cell is slower than the code in `run`."""


def zero_state(lstm: nn.LSTM, like: Tensor) -> State:
    """Make the initial state, with the batch size, dtype and device of a tensor."""
    zero = like.new_zeros(1, len(like), lstm.hidden_size)
    return zero, zero


def run(
    lstm: nn.LSTM, parts: list[Tensor], state: State, projection: Tensor | None = None
) -> tuple[Tensor, State]:
    """Run an LSTM over one or more steps.

    Parameters
    ----------
    lstm : nn.LSTM
        One layer, ``batch_first``.
    parts : list of Tensor[B, T, any]
        The inputs, which are concatenated.
    state : State
    projection : Tensor[4H, B], optional
        For a single step: the result of `project` for the first part, if already computed.

    Returns
    -------
    outputs : Tensor[B, T, H]
    state : State
    """
    # The code for a single step works in place, which autocast does not support.
    if parts[0].shape[1] > 1 or torch.is_autocast_enabled(parts[0].device.type):
        return lstm(torch.cat(parts, -1), state)
    # For a single step, nn.LSTM takes three times as long as the arithmetic itself.
    if len(parts[0]) < MANY and projection is None:
        weights = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0)
        shown = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        h, c = torch.lstm_cell(shown[:, 0], (state[0][0], state[1][0]), *weights)
        return h[:, None], (h[None], c[None])
    # The gates are rows here, so that each is contiguous in memory.
    gates = project(lstm, parts[0]) if projection is None else projection.clone()
    first = parts[0].shape[-1]
    for part in parts[1:]:
        last = first + part.shape[-1]
        gates.addmm_(lstm.weight_ih_l0[:, first:last], part[:, 0].T)
        first = last
    h, c = (tensor[0].T for tensor in state)
    gates.addmm_(lstm.weight_hh_l0, h)
    size = lstm.hidden_size
    write_in, keep = gates[: 2 * size].sigmoid().split(size)
    new, show = gates[2 * size : 3 * size].tanh(), gates[3 * size :].sigmoid()
    c = torch.addcmul(keep * c, write_in, new)
    h = show * c.tanh()
    return h.T[:, None], (h.T[None], c.T[None])


def project(lstm: nn.LSTM, part: Tensor) -> Tensor:
    """Compute the contribution of the first part of the inputs to the gates, for a single step.

    Parameters
    ----------
    lstm : nn.LSTM
    part : Tensor[B, 1, any]

    Returns
    -------
    Tensor[4H, B]
        Includes the biases.
    """
    weight = lstm.weight_ih_l0[:, : part.shape[-1]]
    return torch.mm(weight, part[:, 0].T).add_((lstm.bias_ih_l0 + lstm.bias_hh_l0)[:, None])
