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


class Reader(nn.Module):
    """An LSTM that starts from a zero state in every window."""

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        self.features = params.hidden
        self.input = nn.Linear(inputs, params.hidden)
        self.lstm = nn.LSTM(params.hidden, params.hidden, batch_first=True)

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, hidden]."""
        outputs, _ = self.lstm(torch.relu(self.input(past)))
        return outputs[:, -1]


class Model(score_creator.ScoreCreator):
    """Reads the past with an LSTM; see `ScoreCreator`."""

    reader_class = Reader
