"""Stacked: asks the same LSTM several times, each time giving it the answers so far.

The sampler of the system "stacked_sampling": an LSTM is given the same features in several passes,
each time with the probability p of each note to have been drawn so far. It answers with a
categorical distribution p' over the keys and a pause, and p grows to p + (1 - p) p'. From each
answer, one note or a pause is drawn. Given the features, these draws are independent: a pass knows
what earlier passes could have drawn, but not what they drew.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions
from ostinato.notes.parts.sampler import Sampler

State = list[recurrent.State]
"""The LSTM's state of each pass. It runs along time, so each pass is one run over a sequence."""


class Params(Schema):
    """Sizes of the stacked sampler.

    Attributes
    ----------
    passes : int
        Number of passes at each step, which is the maximum number of notes.
    hidden : int
        Number of cells of the LSTM, which all passes share.
    """

    passes: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Positive


class Model(Sampler):
    """The stacked sampler; see `Sampler`. Its loss is the cross-entropy of the final p.

    The temperature changes the draws, but not what the passes see of each other.
    """

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(params.passes)
        self.max_notes = params.passes
        self.keys = keys
        self.network = nn.LSTM(features + keys, params.hidden, batch_first=True)
        self.answer = unions.Categoricals(params.hidden, 1, keys)

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        return [recurrent.zero_state(self.network, past)] * self.num_uniforms

    def loss(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        answers, state = self._answers(features, state)
        notes = known[:, -features.shape[1] :]
        return unions.cross_entropy(unions.marginals(answers), notes), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        answers, state = self._answers(features, state)
        return unions.log_prob(answers, known[:, -features.shape[1] :]), state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        answers, state = self._answers(features, state)
        return unions.sample(answers, uniforms, temperature), state

    def _answers(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Run all passes over a sequence: log-probabilities [B, T, passes, K + 1], and state."""
        single = features.shape[1] == 1
        projection = recurrent.project(self.network, features) if single else None
        p = features.new_zeros(*features.shape[:2], self.keys)
        answers: list[Tensor] = []
        after: State = []
        for before in state:
            output, now = recurrent.run(
                self.network, [features, p.to(features.dtype)], before, projection
            )
            after.append(now)
            answers.append(self.answer(output))
            p = p + (1 - p) * answers[-1][..., 0, :-1].exp()
        return torch.cat(answers, -2), after
