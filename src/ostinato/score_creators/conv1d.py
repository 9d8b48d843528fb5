"""Three times convolution and pooling: 40 frames become 20, 10 and 5."""

from torch import Tensor, nn

from ostinato.params import Positive, Schema
from ostinato.score_creators import NEXT

KERNEL = 5


class Params(Schema):
    """Channels of the convolutions."""

    width: Positive


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
        width = params.width
        self.features = NEXT * width
        self.layers = nn.Sequential(
            nn.Conv1d(inputs, width, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
            nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
            nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.MaxPool1d(2),
        )

    def forward(self, past: Tensor) -> Tensor:
        """Tensor[B, 40, inputs] to Tensor[B, 5 * width]."""
        return self.layers(past.mT).flatten(1)
