"""Voices: several draw at once, and nobody knows of the others.

The sampler of the systems "one_time_voices", "upgraded", "capsules" and "history_user": one linear
layer gives each voice a categorical distribution over the keys and a pause, and a note sounds if
any voice draws it. The author minimises the cross-entropy of each note's probability to sound; the
probability of the whole set is known, too, and can be trained on ("maximum_likelihood").
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ostinato.core.schema import Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions


class Params(Schema):
    """Size of the voices sampler.

    Attributes
    ----------
    voices : int
        V, the most notes that can sound in a step.
    objective : str
        What training minimises: ``"marginals"``, the author's cross-entropy of each note's
        probability to sound, or ``"union"``, the negative of `Sampler.log_prob`.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    objective: Literal["marginals", "union"]


class Sampler(nn.Module):
    """The voices sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Size and objective.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each voice.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    reach = 1
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.draws = params.voices
        self.objective = params.objective
        self.voices = unions.Categoricals(features, params.voices, keys)

    def initial(self, past: Tensor) -> None:
        """Make the state at the beginning of a sequence: nothing is remembered."""

    def possible(self, notes: Tensor) -> Tensor:
        """Mark those with no more notes than voices; as for `ostinato.notes.samplers.banning`."""
        return (notes.sum(-1) <= self.draws).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """Compute the objective; as for `ostinato.notes.samplers.banning`.

        The union's is 0 at steps with more notes than voices.
        """
        if self.objective == "marginals":
            return unions.cross_entropy(unions.marginals(self.voices(features)), notes), state
        log_prob, state = self.log_prob(features, notes, state, uniforms)
        return -log_prob.masked_fill(log_prob.isinf(), 0), state

    def log_prob(
        self, features: Tensor, notes: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """Compute the log-probability of notes, exactly.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        state, uniforms
            Not used.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where there are more notes than voices.
        state
            As it was.
        """
        return unions.log_prob(self.voices(features), notes), state

    def sample(
        self, features: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        """Draw the notes of some steps; as for `ostinato.notes.samplers.banning`."""
        return unions.sample(self.voices(features), uniforms, temperature), state
