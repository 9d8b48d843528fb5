"""Classes: each set of pitch classes is one outcome.

The sampler of the system "classes": tanh recurrent layers over the features, then one softmax over
sets of pitch classes. It can say anything about which notes go together, and learns nothing about
one set from another, so it is good on small data and bad on large.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions

State = list[Tensor]
"""The outputs of each layer, Tensor[1, B, H]."""

FEW = 5
"""Notes in a set at most, where not all sets are outcomes."""


class Params(Schema):
    """Sizes of the classes sampler.

    Attributes
    ----------
    hidden : list of int
        Cells of each recurrent layer.
    sets : str
        The outcomes: ``"all"`` sets; those of ``"five"`` notes or fewer; or those ``"seen"`` in
        training, which `Sampler.learn_sets` tells it.
    """

    hidden: Annotated[list[Positive], Field(min_length=1)]
    sets: Literal["all", "five", "seen"]

    @property
    def most_keys(self) -> int:
        """Keys that it can write: 12, since it lists all sets."""
        return CLASSES


class Sampler(nn.Module):
    """The classes sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, pitch classes a step, 12 at most.
    params : Params
        Sizes.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    draws = 1
    reach = 1
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        sets = unions.every_set(keys, "samplers.classes")
        sizes = [features, *params.hidden]
        self.learns = params.sets == "seen"
        self.layers = nn.ModuleList(
            nn.RNN(size, hidden, batch_first=True)
            for size, hidden in zip(sizes, params.hidden, strict=False)
        )
        self.outcomes = nn.Linear(sizes[-1], len(sets))
        self.register_buffer("sets", sets, persistent=False)
        # In the state, so that a trained model knows which sets it has seen.
        allowed = sets.sum(-1) <= (keys if params.sets == "all" else FEW)
        self.register_buffer("allowed", allowed)

    def learn_sets(self, notes: Tensor) -> None:
        """Take the sets of the training data as outcomes, if those seen are to be the outcomes.

        Until then the outcomes are the sets of five notes or fewer.

        Parameters
        ----------
        notes : Tensor[N, K]
            All steps, 0 or 1, in each transposition that training uses.
        """
        if self.learns:
            self.allowed.zero_()
            self.allowed[self._numbers(notes)] = True

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence, from the past only for batch and type."""
        return [past.new_zeros(1, len(past), layer.hidden_size) for layer in self.layers]

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps whose set is an outcome; as for `ostinato.notes.samplers.banning`."""
        return self.allowed[self._numbers(notes)].to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the negative log-probability; as for `ostinato.notes.samplers.banning`.

        It is 0 where the set is no outcome.
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
            Nats; minus infinity where the set is no outcome.
        state : State
        """
        log_probs, _, state = self._log_probs(features, state)
        numbers = self._numbers(notes)
        place = (self.allowed.cumsum(0) - 1).clamp(min=0)[numbers]
        log_prob = log_probs.gather(-1, place[..., None])[..., 0]
        return log_prob.masked_fill(~self.allowed[numbers], -torch.inf), state

    def sample(
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps; as for `ostinato.notes.samplers.banning`."""
        log_probs, numbers, state = self._log_probs(features, state)
        drawn = draw_at(log_probs, uniforms[..., 0], temperature)
        return self.sets[numbers[drawn]].to(features.dtype), state

    def _log_probs(self, features: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Compute log-probabilities [B, T, N] of the N outcomes, and the numbers of their sets."""
        output = features
        after: State = []
        for layer, before in zip(self.layers, state, strict=True):
            output, now = layer(output, before)
            after.append(now)
        # Only the rows of outcomes: the data has but a small part of all sets.
        numbers = self.allowed.nonzero()[:, 0]
        weight, bias = (p.index_select(0, numbers) for p in self.outcomes.parameters())
        logits = functional.linear(output, weight, bias)
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return wide.log_softmax(-1), numbers, after

    def _numbers(self, notes: Tensor) -> Tensor:
        """Number the sets: the rows of `ostinato.notes.parts.unions.every_set`."""
        return (notes.long() << torch.arange(notes.shape[-1], device=notes.device)).sum(-1)
