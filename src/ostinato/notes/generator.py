"""A generator: a memory, which turns the past into features, and a sampler.

With whole notes, a step is 1 where a key is struck, -1 where it is held, and 0 where it is silent.

What is generated is a piece of given bars, pickup and end. A generator may also know the final of a
piece from the beginning. This is chosen before the first step, one of 12 that are equally likely,
and its probability is part of that of the piece: what is exact is the probability of the notes
together with the final, and that of the notes alone is never smaller.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core import models
from ostinato.notes.data.fragments import Batch
from ostinato.notes.data.positions import FINAL, STEP, UNKNOWN
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts.given import Given
from ostinato.notes.parts.memory import clock
from ostinato.notes.parts.metre import Metre
from ostinato.notes.parts.repeating import Params, Repeating


class State(NamedTuple):
    """What a generator keeps between calls.

    Attributes
    ----------
    past : Tensor[B, context_length, K]
        The steps just before the next one.
    positions : Tensor[B, any, 10] of int64
        Where the next steps stand in their piece; see `ostinato.notes.data.positions`.
    memory, sampler : any
        Their states, which cover all steps before the last one of `past`.
    """

    past: Tensor
    positions: Tensor
    memory: Any
    sampler: Any


class Generator(nn.Module):
    """A distribution over sequences of note sets.

    Parameters
    ----------
    config : dict
        The content of a model's config.json, of which these are used: ``keys`` (12 pitch classes
        or 88 keys), ``representation``, ``memory`` and ``sampler`` (a name and parameters each),
        ``repeating`` (the parameters of the gate before the sampler, or None), and ``metre``
        (whether it knows bars, pickup, end and final, or only counts steps).

    Attributes
    ----------
    num_uniforms : int
        Number of random numbers needed per step.
    context_length : int
        Number of steps before a sequence that it reads.
    exact : bool
        Whether `log_prob` is exact. Otherwise it is a lower bound in expectation.
    knows_final : bool
        Whether it uses the final.
    takes_given : bool
        Whether it can write around notes that are given.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.keys = config["keys"]
        self.lengths = config["representation"] == "notes"
        inputs = self.keys * (2 if self.lengths else 1)
        self.memory = models.build("ostinato.notes.memory", config["memory"], inputs)
        self.metre = Metre() if config["metre"] else None
        features = self.memory.num_features + (self.metre.num_features if self.metre else 0)
        more = {"lengths": True} if self.lengths else {}
        sampler = models.build(
            "ostinato.notes.samplers", config["sampler"], features, self.keys, **more
        )
        if config["repeating"]:
            sampler = Repeating(sampler, features, Params(**config["repeating"]))
        self.sampler = sampler
        self.num_uniforms, self.exact = sampler.num_uniforms, sampler.exact
        self.knows_final = sampler.knows_final and config["metre"]
        self.takes_given = sampler.takes_given and self.lengths
        self.context_length = max(self.memory.context_length, sampler.context_length)

    def initial(self, past: Tensor, positions: Tensor, annotation: Tensor | None = None) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            The steps before it; P is at least `context_length`.
        positions : Tensor[B, S, 10] of int64
            Where the steps that follow stand in their piece. No more than S steps may follow.
        annotation : Tensor, optional
            As for `Sampler.initial`.

        Returns
        -------
        State
        """
        past = past[:, past.shape[1] - self.context_length :]
        remembered = self.memory.initial(self._seen(past))
        told = self._told(positions)
        return State(past, positions, remembered, self.sampler.initial(past, annotation, told))

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Compute the training loss: the mean of `losses` over the counted steps, Tensor[]."""
        total, count = self.losses(batch, uniforms)
        return total / count.clamp(min=1)

    def losses(self, batch: Batch, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the sampler's loss over all steps that are not padding and that the sampler can draw.

        Parameters
        ----------
        batch : Batch
            Fragments.
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1).

        Returns
        -------
        total : Tensor[]
            Sum of the losses, in nats unless the sampler has another loss.
        count : Tensor[]
            Number of steps summed over.
        """
        begin = self.initial(batch.past, batch.positions, batch.annotation)
        known, features, state = self._hear(batch.notes, begin)
        loss, _ = self.sampler.loss(features, known, state.sampler, uniforms)
        loss = loss + self.nats_of_final(batch.positions)
        counted = self.counted(batch)
        return (loss * counted).sum(), counted.sum()

    def counted(self, batch: Batch) -> Tensor:
        """Mark the steps that count, neither padding nor impossible to draw: Tensor[B, T]."""
        return batch.mask * self.sampler.in_support(batch.notes)

    def log_prob(self, notes: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of each step, given the true steps before it.

        Parameters
        ----------
        notes : Tensor[B, T, K]
            The true notes.
        state : State
        uniforms : Tensor[B, T, num_uniforms]

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where the sampler cannot draw a step. If it knows the final, that
            of the first step of a piece includes the log-probability of the final.
        state : State
        """
        price = self.nats_of_final(state.positions[:, : notes.shape[1]])
        known, features, state = self._hear(notes, state)
        log_prob, sampler = self.sampler.log_prob(features, known, state.sampler, uniforms)
        return log_prob - price, state._replace(sampler=sampler)

    def step(self, state: State, uniforms: Tensor, temperature: float) -> tuple[Tensor, State]:
        """Draw the next step and advance the state by it.

        Parameters
        ----------
        state : State
        uniforms : Tensor[B, 1, num_uniforms]
            Random numbers in [0, 1).
        temperature : float
            At 0, the most probable outcome is always taken.

        Returns
        -------
        notes : Tensor[B, 1, K]
        state : State
        """
        features, state = self._features(state.past, state)
        notes, sampler = self.sampler.sample(
            features, state.past, state.sampler, uniforms, temperature
        )
        return notes, self.after(state._replace(sampler=sampler), notes[:, 0])

    def step_given(
        self, state: State, given: Given, where: Tensor, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor, State]:
        """Draw the next step, of which something is given, several times.

        Parameters
        ----------
        state : State
        given, where, uniforms, temperature
            As for `Sampler.sample_given`.

        Returns
        -------
        notes : Tensor[N, K]
        nats : Tensor[N]
            Logarithms of weights.
        state : State
            Ready for `after`.
        """
        features, state = self._features(state.past, state)
        notes, nats, sampler = self.sampler.sample_given(
            features, state.past, state.sampler, given, where, uniforms, temperature
        )
        return notes, nats, state._replace(sampler=sampler)

    def after(self, state: State, notes: Tensor) -> State:
        """Append the notes of a step, Tensor[B, K], to the past."""
        return state._replace(past=torch.cat([state.past[:, 1:], notes[:, None]], 1))

    def guess(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Draw each step of known music several times, given its true past.

        Parameters
        ----------
        batch : Batch
            Songs, from their first step on.
        uniforms : Tensor[D, 2, B, T, num_uniforms]
            Random numbers in [0, 1) for D draws: [:, 0] for `log_prob`, [:, 1] for drawing.

        Returns
        -------
        Tensor[D, B, T, K]
        """
        known, features, _ = self._hear(batch.notes, self.initial(batch.past, batch.positions))
        return self.sampler.guess(features, known, uniforms, self._told(batch.positions))

    def reading(self, notes: Tensor, state: State) -> Tensor | None:
        """Compute the weights with which the memory reads the past, as it processes known notes.

        Parameters
        ----------
        notes : Tensor[B, T, K]
        state : State

        Returns
        -------
        Tensor[B, T, lags] or None
            As from `Memory.reading`.
        """
        heard = self._seen(torch.cat([state.past, notes[:, :-1]], 1))
        time = clock(state.positions[:, : notes.shape[1], STEP], notes.dtype)
        return self.memory.reading(heard, time, state.memory)

    def _told(self, positions: Tensor) -> Tensor:
        """Leave out the final where the metre is not known."""
        if self.metre:
            return positions
        place = torch.tensor(FINAL, device=positions.device)
        return positions.index_fill(-1, place, UNKNOWN)

    def nats_of_final(self, positions: Tensor) -> Tensor:
        """Compute minus the log-probability of the final, which the first step of a piece includes.

        Tensor[B, T, 10] of positions to Tensor[B, T]; zeros if it does not know the final.
        """
        nats = math.log(CLASSES) if self.knows_final else 0.0
        return nats * (positions[..., STEP] == 0)

    def _hear(self, notes: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Compute the features of known notes.

        Returns
        -------
        known : Tensor[B, context_length + T, K]
            The steps before the notes, then the notes.
        features : Tensor[B, T, F]
            The features of each of their steps.
        state : State
            The state after the notes; the sampler's part is unchanged.
        """
        known = torch.cat([state.past, notes], 1)
        features, state = self._features(known[:, :-1], state)
        return known, features, state._replace(past=known[:, notes.shape[1] :])

    def _features(self, heard: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the features of the steps after those of `past` in Tensor[B, C + T - 1, K]."""
        steps = heard.shape[1] - state.past.shape[1] + 1
        now, later = state.positions.tensor_split([steps], 1)
        time = clock(now[..., STEP], heard.dtype)
        features, memory = self.memory(self._seen(heard), time, state.memory)
        if self.metre:
            features = torch.cat([features, self.metre(now, features.dtype)], -1)
        return features, state._replace(positions=later, memory=memory)

    def _seen(self, notes: Tensor) -> Tensor:
        """What the memory sees of notes: with lengths, struck and held keys separately."""
        if not self.lengths:
            return notes
        return torch.cat([notes > 0, notes < 0], -1).to(notes.dtype)
