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


class Model(score_creator.ScoreCreator):
    """Reads the past with convolutions over time.

    Parameters
    ----------
    size : int
        Numbers per frame.
    params : Params
    """

    def __init__(self, size: int, params: Params):
        super().__init__(Reader(2 * size, params.channels), size, params)


class Reader(nn.Module):
    """Convolutions over time.

    Parameters
    ----------
    inputs : int
        The number of inputs per frame.
    channels : int
        Channels of each convolution.
    """

    def __init__(self, inputs: int, channels: int):
        super().__init__()
        self.features = NEXT * channels
        layers = []
        for width in (inputs, channels, channels):
            layers += [
                nn.Conv1d(width, channels, KERNEL, padding=KERNEL // 2),
                nn.GELU(),
                nn.MaxPool1d(2),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, 5 * channels]."""
        return self.layers(past.mT).flatten(1)
