"""Voices: several voices draw independently of each other.

The sampler of the systems "one_time_voices", "upgraded", "capsules" and "history_user": one linear
layer gives each voice a categorical distribution over the keys and a pause, and a note sounds if
any voice draws it. The notebooks minimise the cross-entropy of each note's marginal probability.
The probability of the whole set is also known, and can be maximised instead.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from ostinato.core.schema import Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions
from ostinato.notes.parts.sampler import Sampler


class Params(Schema):
    """Size of the voices sampler.

    Attributes
    ----------
    voices : int
        V, the maximum number of notes at a step.
    objective : str
        The training loss. ``"marginals"``: the cross-entropy of each note's marginal probability.
        ``"union"``: the negative log-probability of the set.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    objective: Literal["marginals", "union"]


class Model(Sampler):
    """The voices sampler; see `Sampler`."""

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(params.voices)
        self.max_notes = params.voices
        self.objective = params.objective
        self.voices = unions.Categoricals(features, params.voices, keys)

    def loss(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        if self.objective == "union":
            return super().loss(features, known, state, uniforms)
        notes = known[:, -features.shape[1] :]
        return unions.cross_entropy(unions.marginals(self.voices(features)), notes), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        return unions.log_prob(self.voices(features), known[:, -features.shape[1] :]), state

    def sample(
        self, features: Tensor, past: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        return unions.sample(self.voices(features), uniforms, temperature), state
