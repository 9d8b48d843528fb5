"""Linear: one output for each key, trained by squared error.

With squared error, each output estimates the probability of its key given the features, though
nothing keeps it between 0 and 1. For drawing, the outputs are turned into a distribution as in the
notebooks. Negative outputs count as 0. The probability that a key sounds is the sum of the outputs,
but at most 1. Which key sounds is drawn in proportion to the outputs. So the result is a melody,
never chords.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at, wide
from ostinato.core.schema import Schema
from ostinato.notes.parts.sampler import Sampler


class Params(Schema):
    """It has no parameters."""


class Model(Sampler):
    """The linear sampler; see `Sampler`. Its loss is the squared error, not a likelihood."""

    max_notes = 1

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(num_uniforms=1)
        self.keys = nn.Linear(features, keys)

    def loss(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        notes = known[:, -features.shape[1] :]
        return (wide(self.keys(features)) - notes).square().sum(-1), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """See `Sampler`; it is also minus infinity where the outputs give a probability of 0.

        That is so for a key whose output is 0 or less, and for silence if the sum is 1 or more.
        """
        notes = known[:, -features.shape[1] :]
        silence = 1 - notes.amax(-1, keepdim=True)
        p = (self._probabilities(features) * torch.cat([notes, silence], -1)).sum(-1)
        never = (p == 0) | ~self.in_support(notes)
        smallest = torch.finfo(p.dtype).tiny  # keeps the gradient finite
        return p.clamp(min=smallest).log().masked_fill(never, -torch.inf), state

    def sample(
        self, features: Tensor, past: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        p = self._probabilities(features)
        outcome = draw_at(p.log(), uniforms[..., 0], temperature)
        return functional.one_hot(outcome, p.shape[-1])[..., :-1].to(p.dtype), state

    def _probabilities(self, features: Tensor) -> Tensor:
        """Compute the probabilities [B, T, K + 1] of each key alone and, last, of silence."""
        outputs = wide(self.keys(features)).relu()
        total = outputs.sum(-1, keepdim=True)
        return torch.cat([outputs / total.clamp(min=1), (1 - total).relu()], -1)
