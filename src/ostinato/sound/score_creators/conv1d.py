"""Three times convolution and pooling: 40 frames become 20, 10 and 5."""

from torch import Tensor, nn

from ostinato.core.schema import Positive, Schema
from ostinato.sound.data.frames import NEXT

KERNEL = 5


class Params(Schema):
    """Sizes.

    Attributes
    ----------
    channels : int
        Of the convolutions.
    flow : int
        Width of the network that draws.
    """

    channels: Positive
    flow: Positive


class Reader(nn.Module):
    """Convolutions over time.

    Parameters
    ----------
    inputs : int
        Numbers of a frame.
    params : Params
    """

    def __init__(self, inputs: int, params: Params):
        super().__init__()
        channels = params.channels
        self.features = NEXT * channels
        self.layers = nn.Sequential(
            nn.Conv1d(inputs, channels, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
            nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
            nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
        )

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, 5 * channels]."""
        return self.layers(past.mT).flatten(1)
