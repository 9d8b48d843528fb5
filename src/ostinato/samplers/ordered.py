"""Ordered: draws a set of notes from the lowest note to the highest, then "end".

Each draw is a softmax over the keys above the last one and "end". It sees the features, the notes
drawn so far, what was struck in the steps before, and the intervals between them. Which note is
drawn when is then known, so training is plain teacher forcing, and the likelihood is exact.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato import ascending
from ostinato.ascending import Ascending
from ostinato.params import Positive, Schema

State = Tensor
"""Steps since each key was struck, at the next step: Tensor[B, 1, K]."""


class Params(Schema):
    """Sizes of the ordered sampler.

    Attributes
    ----------
    hidden : int
        Width of the network's two layers.
    most : int
        Notes of a step at the most.
    """

    hidden: Positive
    most: Positive


class Sampler(nn.Module):
    """The ordered sampler.

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
        Random numbers that it needs a step: one for each draw.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    reach = ascending.REACH
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = keys
        self.draws = params.most
        self.next = Ascending(features, keys, params.hidden)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before it.
        """
        return ascending.ages(past, ascending.never(past, self.keys))[1]

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps that can be drawn: those with no more notes than draws.

        As for `ostinato.samplers.banning.Sampler.possible`.
        """
        return (notes.sum(-1) <= self.draws).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the negative log-probability, 0 at steps that cannot be drawn.

        As for `ostinato.samplers.banning.Sampler.loss`.
        """
        log_prob, state = self.log_prob(features, notes, state, uniforms)
        return -log_prob.masked_fill(log_prob.isinf(), 0), state

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
            Nats; minus infinity where there are too many notes.
        state : State
        """
        age, state = ascending.ages(notes, state)
        memory = ascending.traces(age).flatten(0, 1)
        prepared = self.next.prepare(features.flatten(0, 1), memory)
        known = ascending.draws_of(notes.flatten(0, 1), self.draws)
        log_probs = self._logits(
            prepared[known.step], memory[known.step], known.drawn, known.last
        ).log_softmax(-1)
        each = log_probs.gather(-1, known.outcome[:, None])[:, 0]
        nats = ascending.total(each, known, len(prepared), self.draws).view(notes.shape[:2])
        return nats.masked_fill(self.possible(notes) == 0, -torch.inf), state

    def sample(
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps.

        Parameters
        ----------
        features : Tensor[B, T, F]
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0 each draw takes the most probable outcome.

        Returns
        -------
        notes : Tensor[B, T, K]
            1 where a note sounds.
        state : State
        """
        steps = []
        for step in range(features.shape[1]):
            memory = ascending.traces(state[:, 0])
            prepared = self.next.prepare(features[:, step], memory)
            notes = ascending.draw_notes(
                lambda drawn, last, place, p=prepared, m=memory: self._logits(p, m, drawn, last),
                torch.zeros_like(memory[:, 0]),
                uniforms[:, step],
                temperature,
            )
            steps.append(notes[:, None])
            _, state = ascending.ages(steps[-1], state)
        return torch.cat(steps, 1), state

    def _logits(self, prepared: Tensor, memory: Tensor, drawn: Tensor, last: Tensor) -> Tensor:
        logits = self.next(prepared, memory, drawn, last)
        ruled_out = torch.arange(self.keys, device=last.device) < last[:, None]
        return logits.masked_fill(functional.pad(ruled_out, (0, 1)), -torch.inf)
