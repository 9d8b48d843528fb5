"""Ordered: draws a set of notes from the lowest note to the highest, then "end".

Each draw is a softmax over the keys above the last one and "end". It sees the features, the notes
drawn so far, what was struck in the steps before, and the intervals between them. Which note is
drawn when is then known, so training is plain teacher forcing, and the likelihood is exact. If
wanted, a gate comes first that may copy what was played some steps ago in place of drawing.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Positive, Schema
from ostinato.notes.parts import ascending, copying
from ostinato.notes.parts.ascending import Ascending
from ostinato.notes.parts.copying import Copying


class State(NamedTuple):
    """What the sampler keeps between calls.

    Attributes
    ----------
    age : Tensor[B, 1, K]
        Steps since each key was struck, at the next step.
    copying : copying.State or None
    """

    age: Tensor
    copying: copying.State | None


class Params(Schema):
    """Sizes of the ordered sampler.

    Attributes
    ----------
    hidden : int
        Width of the network's two layers.
    most : int
        Notes of a step at the most.
    copies : list of int
        Steps back that the gate may copy; none: there is no gate.
    gate : int
        Width of the gate's network.
    """

    hidden: Positive
    most: Positive
    copies: list[Positive]
    gate: Positive


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
        Random numbers that it needs a step: one for each draw, and one for the gate.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = keys
        self.most = params.most
        self.draws = params.most
        self.reach = ascending.REACH
        self.next = Ascending(features, keys, params.hidden)
        self.copying = None
        if params.copies:
            self.copying = Copying(features, params.copies, params.most, params.gate)
            self.draws += 1
            # So that it can tell for how long the longest lag has been repeating.
            self.reach = max(self.reach, 2 * max(params.copies))

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before it.
        """
        _, age = ascending.ages(past, ascending.never(past, self.keys))
        return State(age, self.copying.initial(past) if self.copying else None)

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps that can be drawn: those with no more notes than draws.

        As for `ostinato.notes.samplers.banning.Sampler.possible`.
        """
        return (notes.sum(-1) <= self.most).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the negative log-probability, 0 at steps that cannot be drawn.

        As for `ostinato.notes.samplers.banning.Sampler.loss`.
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
        age, after = ascending.ages(notes, state.age)
        memory = ascending.traces(age).flatten(0, 1)
        prepared = self.next.prepare(features.flatten(0, 1), memory)
        known = ascending.draws_of(notes.flatten(0, 1), self.most)
        log_probs = self._logits(
            prepared[known.step], memory[known.step], known.drawn, known.last
        ).log_softmax(-1)
        each = log_probs.gather(-1, known.outcome[:, None])[:, 0]
        nats = ascending.total(each, known, len(prepared), self.most).view(notes.shape[:2])
        copied = None
        if self.copying:
            nats, copied = self.copying.log_prob(features, notes, nats, state.copying)
        nats = nats.masked_fill(self.possible(notes) == 0, -torch.inf)
        return nats, State(after, copied)

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
            memory = ascending.traces(state.age[:, 0])
            prepared = self.next.prepare(features[:, step], memory)
            notes = ascending.draw_notes(
                lambda drawn, last, place, p=prepared, m=memory: self._logits(p, m, drawn, last),
                torch.zeros_like(memory[:, 0]),
                uniforms[:, step, : self.most],
                temperature,
            )[:, None]
            copied = None
            if self.copying:
                now = slice(step, step + 1)
                notes, copied = self.copying.sample(
                    features[:, now], notes, state.copying, uniforms[:, now, -1], temperature
                )
            steps.append(notes)
            _, age = ascending.ages(notes, state.age)
            state = State(age, copied)
        return torch.cat(steps, 1), state

    def _logits(self, prepared: Tensor, memory: Tensor, drawn: Tensor, last: Tensor) -> Tensor:
        logits = self.next(prepared, memory, drawn, last)
        ruled_out = torch.arange(self.keys, device=last.device) < last[:, None]
        return logits.masked_fill(functional.pad(ruled_out, (0, 1)), -torch.inf)
