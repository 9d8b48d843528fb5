"""Stacked: the same question several times, each time with the answers so far.

The sampler of the system "stacked_sampling": an LSTM is given the same features in several passes,
each time with the probability p of each note to have been drawn so far. It answers with a
categorical distribution p' over the keys and a pause, and p grows to p + (1 - p) p'. One note is
drawn from each answer, so given the features the draws are independent: a pass knows what earlier
passes could have drawn, not what they drew.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions

State = list[recurrent.State]
"""The LSTM's state of each pass, which runs along time: so a pass is one run over a sequence."""


class Params(Schema):
    """Sizes of the stacked sampler.

    Attributes
    ----------
    passes : int
        How often it is asked at each step: the most notes that can sound.
    hidden : int
        Cells of the LSTM, which all passes share.
    """

    passes: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Positive


class Sampler(nn.Module):
    """The stacked sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Sizes.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each pass.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    reach = 1
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = keys
        self.draws = params.passes
        self.network = nn.LSTM(features + keys, params.hidden, batch_first=True)
        self.answer = unions.Categoricals(params.hidden, 1, keys)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence, from the past only for batch and type."""
        return [recurrent.zero_state(self.network, past)] * self.draws

    def possible(self, notes: Tensor) -> Tensor:
        """Mark those with no more notes than passes; as for `ostinato.notes.samplers.banning`."""
        return (notes.sum(-1) <= self.draws).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the cross-entropy of the last p; as for `ostinato.notes.samplers.banning`."""
        answers, state = self._answers(features, state)
        return unions.cross_entropy(unions.marginals(answers), notes), state

    def log_prob(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the log-probability of notes, exactly.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        state : State
        uniforms
            Not used.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where there are more notes than passes.
        state : State
        """
        answers, state = self._answers(features, state)
        return unions.log_prob(answers, notes), state

    def sample(
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps; as for `ostinato.notes.samplers.banning`.

        The temperature is that of the draws: what the passes hear of each other stays as it is.
        """
        answers, state = self._answers(features, state)
        return unions.sample(answers, uniforms, temperature), state

    def _answers(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Ask in turn, over the whole sequence: log-probabilities [B, T, passes, K + 1]."""
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
