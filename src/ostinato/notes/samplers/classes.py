"""Classes: each set of pitch classes is one outcome of a softmax.

The sampler of the system "classes": tanh recurrent layers over the features, then one softmax over
sets of pitch classes. It can represent any dependence between notes, but learns nothing about one
set from another.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at, wide
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import unions
from ostinato.notes.parts.sampler import Sampler

State = list[Tensor]
"""The outputs of each layer, Tensor[1, B, H]."""

FEW = 5
"""Largest number of notes in a set, if not all sets are outcomes."""


class Params(Schema):
    """Sizes of the classes sampler.

    Attributes
    ----------
    hidden : list of int
        Number of units of each recurrent layer.
    sets : str
        Which sets are outcomes: ``"all"``; those of ``"five"`` notes or fewer; or those ``"seen"``
        in the training data, which are set by `Model.learn_sets`.
    """

    hidden: Annotated[list[Positive], Field(min_length=1)]
    sets: Literal["all", "five", "seen"]

    @property
    def most_keys(self) -> int:
        """Largest number of keys: 12, since it lists all sets."""
        return CLASSES


class Model(Sampler):
    """The classes sampler, for at most 12 keys; see `Sampler`."""

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(num_uniforms=1)
        sets = unions.every_set(keys, "samplers.classes")
        sizes = [features, *params.hidden]
        self.learns = params.sets == "seen"
        self.layers = nn.ModuleList(
            nn.RNN(size, hidden, batch_first=True)
            for size, hidden in zip(sizes, params.hidden, strict=False)
        )
        self.outcomes = nn.Linear(sizes[-1], len(sets))
        self.register_buffer("sets", sets, persistent=False)
        # Saved with the weights, so that a trained model knows which sets it has seen.
        allowed = sets.sum(-1) <= (keys if params.sets == "all" else FEW)
        self.register_buffer("allowed", allowed)

    def learn_sets(self, notes: Tensor) -> None:
        """Make the sets of the training data the outcomes, if `Params.sets` is ``"seen"``.

        Until then, the outcomes are the sets of five notes or fewer.

        Parameters
        ----------
        notes : Tensor[N, K]
            All steps, 0 or 1, in every transposition used in training.
        """
        if self.learns:
            self.allowed.zero_()
            self.allowed[self._numbers(notes)] = True

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        return [past.new_zeros(1, len(past), layer.hidden_size) for layer in self.layers]

    def in_support(self, notes: Tensor) -> Tensor:
        return self.allowed[self._numbers(notes)]

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        log_probs, _, state = self._log_probs(features, state)
        numbers = self._numbers(known[:, -features.shape[1] :])
        place = (self.allowed.cumsum(0) - 1).clamp(min=0)[numbers]
        log_prob = log_probs.gather(-1, place[..., None])[..., 0]
        return log_prob.masked_fill(~self.allowed[numbers], -torch.inf), state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
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
        # Only the rows of the outcomes: the data contain only a small part of all sets.
        numbers = self.allowed.nonzero()[:, 0]
        weight, bias = (p.index_select(0, numbers) for p in self.outcomes.parameters())
        logits = wide(functional.linear(output, weight, bias))
        return logits.log_softmax(-1), numbers, after

    def _numbers(self, notes: Tensor) -> Tensor:
        """Return the index of each set, as in `ostinato.notes.parts.unions.every_set`."""
        return (notes.long() << torch.arange(notes.shape[-1], device=notes.device)).sum(-1)
