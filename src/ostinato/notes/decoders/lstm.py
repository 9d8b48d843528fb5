"""The LSTM decoder: remembers in which octaves the music has been played.

An LSTM reads the pitch classes of the step and the keys of the previous step, and gives a
probability for each of the 88 keys. Keys of silent pitch classes are masked, also in the loss.
"""

from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import wide
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.octaves import Octaves, State


class Params(Schema):
    """Size of the decoder: number of cells of its LSTM."""

    hidden: Positive


class Model(Octaves):
    """The LSTM decoder; see `Decoder`.

    It needs one random number per key. Its loss is the binary cross-entropy in nats, averaged over
    all keys whose pitch class sounds.
    """

    def __init__(self, params: Params):
        super().__init__(KEYS, 1, params.hidden)
        self.keys = nn.Linear(params.hidden, KEYS)

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        logits, _ = self._logits(keys, self.initial(past))
        possible = self._possible(keys, mask)
        loss = functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")
        return (loss * possible).sum() / possible.sum().clamp(min=1)

    def counted(self, keys: Tensor, mask: Tensor) -> Tensor:
        return self._possible(keys, mask).sum()

    def _possible(self, keys: Tensor, mask: Tensor) -> Tensor:
        """Mark the keys whose pitch class sounds."""
        return self.keys_of(self.classes(keys)) * mask[..., None]

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        logits, state = self._logits(keys, state)
        return self.log_prob_of(logits, keys), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        output, lstm = recurrent.run(self.lstm, [classes, state.keys], state.lstm)
        logits = wide(self.keys(output))
        drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
        keys = self.complete(drawn.to(logits.dtype), logits, classes)
        return keys, State(keys, lstm)

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        logits, _ = self._logits(keys, state)
        return self.complete((logits > 0).to(keys.dtype), logits, self.classes(keys))

    def _logits(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = self.listen(keys, state)
        return wide(self.keys(output)), state
