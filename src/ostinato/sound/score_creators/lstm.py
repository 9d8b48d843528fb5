"""A stateless LSTM: it reads the 40 frames, and its last output becomes the features."""

import torch
from torch import Tensor, nn

from ostinato.core.schema import Positive
from ostinato.sound.parts import score_creator


class Params(score_creator.Params):
    """The parameters of all score creators, and a size.

    Attributes
    ----------
    hidden : int
        Cells of the LSTM.
    """

    hidden: Positive


class Model(score_creator.ScoreCreator):
    """Reads the past with an LSTM.

    Parameters
    ----------
    size : int
        Numbers per frame.
    params : Params
    """

    def __init__(self, size: int, params: Params):
        super().__init__(Reader(2 * size, params.hidden), size, params)


class Reader(nn.Module):
    """An LSTM that starts from a zero state in every window.

    Parameters
    ----------
    inputs : int
        The number of inputs per frame.
    hidden : int
        Cells of the LSTM.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.features = hidden
        self.input = nn.Linear(inputs, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, hidden]."""
        outputs, _ = self.lstm(torch.relu(self.input(past)))
        return outputs[:, -1]
