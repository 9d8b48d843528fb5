"""None: no decoder, for generators that write 88 keys themselves."""

from torch import Tensor, nn

from ostinato.core.schema import Schema


class Params(Schema):
    """It has none."""


class Decoder(nn.Module):
    """Leaves keys as they are; methods as for `ostinato.notes.decoders.lstm.Decoder`.

    Parameters
    ----------
    params : Params
        Nothing.
    """

    draws = 0
    reach = 1
    exact = True

    def __init__(self, params: Params):
        super().__init__()

    def initial(self, past: Tensor) -> None:
        """Make the state: nothing is remembered."""

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the loss: 0, there is nothing to learn."""
        return keys.new_zeros(())

    def classes(self, keys: Tensor) -> Tensor:
        """Give what the generator writes for these keys: the keys."""
        return keys

    def follow(self, keys: Tensor, state: None) -> None:
        """Hear keys that are given."""

    def log_prob(self, keys: Tensor, state: None, uniforms: Tensor) -> tuple[Tensor, None]:
        """Compute the log-probability of keys given keys: 0, Tensor[B, T]."""
        return keys.new_zeros(keys.shape[:2]), state

    def sample(
        self, classes: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        """Give the keys of one step, Tensor[B, 1, 88]."""
        return classes, state
