"""A stateless LSTM: it reads the 40 frames, and its last output decides all that follows."""

import torch
from torch import Tensor, nn

from ostinato.core.schema import Positive, Schema


class Params(Schema):
    """Sizes.

    Attributes
    ----------
    hidden : int
        Cells of the LSTM.
    flow : int
        Width of the network that draws.
    """

    hidden: Positive
    flow: Positive


class Reader(nn.Module):
    """An LSTM that begins anew with every window.

    Parameters
    ----------
    inputs : int
        Numbers of a frame.
    params : Params
    """

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        self.features = params.hidden
        self.enter = nn.Linear(inputs, params.hidden)
        self.lstm = nn.LSTM(params.hidden, params.hidden, batch_first=True)

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, hidden]."""
        outputs, _ = self.lstm(torch.relu(self.enter(past)))
        return outputs[:, -1]
