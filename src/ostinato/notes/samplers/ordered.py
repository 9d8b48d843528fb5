"""Ordered: draws a set of notes from the lowest note to the highest, then "end".

Each draw is from a softmax over the keys above the last one and "end"; with lengths, over the keys
to strike, those to hold, and "end". It sees the features, the notes drawn so far, what was struck
in the steps before, and the intervals between them. The order of the draws is fixed, so training is
ordinary teacher forcing, and the likelihood is exact.
"""

from torch import Tensor

from ostinato.core.schema import Positive, Schema
from ostinato.notes.parts import ascending
from ostinato.notes.parts.ascending import Ascending
from ostinato.notes.parts.given import Given, draw_given
from ostinato.notes.parts.sampler import Sampler


class Params(Schema):
    """Sizes of the ordered sampler.

    Attributes
    ----------
    hidden : int
        Width of the network's two layers.
    max_notes : int
        Maximum number of notes at a step.
    """

    hidden: Positive
    max_notes: Positive


class Model(Sampler):
    """The ordered sampler; see `Sampler`.

    Its state is the number of steps since each key was struck, Tensor[B, 1, K]. It needs one random
    number per draw. For the temperature, see `ascending.draw_notes`.
    """

    draws_lengths = True
    takes_given = True

    def __init__(self, features: int, keys: int, params: Params, lengths: bool = False):
        super().__init__(params.max_notes, ascending.REACH)
        self.max_notes = params.max_notes
        self.next = Ascending(features, keys, params.hidden, params.max_notes, lengths=lengths)

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        never = ascending.never(past, past.shape[2])
        return ascending.ages(past[:, :-1], never)[:, -1:] if past.shape[1] > 1 else never

    def log_prob(
        self, features: Tensor, known: Tensor, state: Tensor, uniforms: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps = features.shape[1]
        before = known[:, -steps - 1 : -1]
        age = ascending.ages(before, state)
        rows = (each.flatten(0, 1) for each in (features, age, known[:, -steps:]))
        nats = self.next.log_prob(*rows, before=before.flatten(0, 1))
        return nats.view(features.shape[:2]), age[:, -1:]

    def sample(
        self, features: Tensor, past: Tensor, state: Tensor, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        age = ascending.ages(past[:, -1:], state)
        rows = (each[:, 0] for each in (features, age, uniforms))
        notes = self.next.sample(*rows, temperature, before=past[:, -1])
        return notes[:, None], age

    def sample_given(
        self,
        features: Tensor,
        past: Tensor,
        state: Tensor,
        given: Given,
        where: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        age = ascending.ages(past[:, -1:], state)
        logits = self.next.draws(features[:, 0], age[:, 0], before=past[:, -1])
        notes, nats = draw_given(logits, given, where, uniforms, temperature)
        return notes, nats, age

    def guess(
        self, features: Tensor, known: Tensor, uniforms: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        steps = features.shape[1]
        age = ascending.ages(known[:, :-1], ascending.never(known, known.shape[2]))[:, -steps:]
        each = features, age, known[:, -steps - 1 : -1]
        features, age, before = (one.flatten(0, 1).repeat(len(uniforms), 1) for one in each)
        draws = uniforms[:, 1].flatten(0, 2)
        drawn = self.next.sample(features, age, draws, 1.0, before=before)
        return drawn.view(len(uniforms), *known[:, -steps:].shape)
