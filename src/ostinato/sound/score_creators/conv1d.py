"""Three convolutions with pooling: 40 frames become 20, 10 and 5."""

from torch import Tensor, nn

from ostinato.core.schema import Positive
from ostinato.sound.data.frames import NEXT
from ostinato.sound.parts import score_creator

KERNEL = 5


class Params(score_creator.Params):
    """The parameters of all score creators, and a size.

    Attributes
    ----------
    channels : int
        Channels of the convolutions.
    """

    channels: Positive


class Reader(nn.Module):
    """Convolutions over time."""

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        self.features = NEXT * params.channels
        layers = []
        for width in (inputs, params.channels, params.channels):
            layers += [
                nn.Conv1d(width, params.channels, KERNEL, padding=KERNEL // 2),
                nn.GELU(),
                nn.MaxPool1d(2),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, 5 * channels]."""
        return self.layers(past.mT).flatten(1)


class Model(score_creator.ScoreCreator):
    """Reads the past with convolutions; see `ScoreCreator`."""

    reader_class = Reader
