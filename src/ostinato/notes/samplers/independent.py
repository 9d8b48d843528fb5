"""Independent: each key sounds or not, independently of all others.

The sampler of the systems "first_model" and "latency_test": a linear layer gives a probability for
each key. Where the past leaves a choice of two chords, it mixes their notes.
"""

from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import wide
from ostinato.core.schema import Schema
from ostinato.notes.parts import unions
from ostinato.notes.parts.sampler import Sampler


class Params(Schema):
    """It has no parameters."""


class Model(Sampler):
    """The independent sampler, which minimises clamped cross-entropies; see `Sampler`.

    It needs one random number per key. Logits are divided by the temperature; at 0, a key sounds if
    its probability is above 1/2.
    """

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(keys)
        self.keys = nn.Linear(features, keys)

    def loss(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        notes = known[:, -features.shape[1] :]
        return unions.cross_entropy(wide(self.keys(features)).sigmoid(), notes), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        notes = known[:, -features.shape[1] :]
        signed = wide(self.keys(features)) * (2 * notes - 1)
        return functional.logsigmoid(signed).sum(-1), state

    def sample(
        self, features: Tensor, past: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        logits = wide(self.keys(features))
        drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
        return drawn.to(logits.dtype), state
