"""A generator: a memory, which turns the past into features, and a sampler."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.notes import memory, samplers
from ostinato.notes.data.fragments import Batch
from ostinato.notes.memory import clock


class State(NamedTuple):
    """What a generator keeps between calls.

    Attributes
    ----------
    notes : Tensor[B, 1, K]
        The step before the next one.
    step : Tensor[B] of int64
        Number of the next step.
    memory, sampler
        Their own states.
    """

    notes: Tensor
    step: Tensor
    memory: Any
    sampler: Any


class Generator(nn.Module):
    """A distribution over sequences of note sets.

    Parameters
    ----------
    config : dict
        ``keys`` (12 pitch classes or 88 keys), ``memory`` and ``sampler`` (each its name and
        parameters): from the content of a model's config.json.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.keys = config["keys"]
        self.memory = memory.build(config["memory"], self.keys)
        self.sampler = samplers.build(config["sampler"], self.memory.features, self.keys)

    @property
    def draws(self) -> int:
        """Random numbers that it needs a step."""
        return self.sampler.draws

    @property
    def reach(self) -> int:
        """Steps before a sequence that it wants to know."""
        return max(self.memory.reach, self.sampler.reach)

    def initial(self, past: Tensor, step: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before, P at least `reach`.
        step : Tensor[B] of int64
            Number of the first step.

        Returns
        -------
        State
        """
        remembered = self.memory.initial(past[:, :-1])
        return State(past[:, -1:], step, remembered, self.sampler.initial(past))

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Compute what training minimises.

        Parameters
        ----------
        batch : Batch
            Fragments.
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
            Mean of the sampler's loss, in nats a step, over the steps that the songs have and the
            sampler can draw.
        """
        loss, _ = self.loss(batch.notes, self.initial(batch.past, batch.start), uniforms)
        counted = batch.mask * self.sampler.possible(batch.notes)
        return (loss * counted).sum() / counted.sum().clamp(min=1)

    def loss(self, notes: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the sampler's loss at each step.

        Parameters
        ----------
        notes : Tensor[B, T, K]
            The true notes.
        state : State
        uniforms : Tensor[B, T, draws]

        Returns
        -------
        loss : Tensor[B, T]
            Nats.
        state : State
        """
        features, state = self.features(notes, state)
        loss, sampler = self.sampler.loss(features, notes, state.sampler, uniforms)
        return loss, state._replace(sampler=sampler)

    def log_prob(self, notes: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of each step, given the true steps before it.

        Parameters
        ----------
        notes : Tensor[B, T, K]
            The true notes.
        state : State
        uniforms : Tensor[B, T, draws]

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; exact, or a lower bound in expectation, as the sampler says; minus infinity where
            the sampler cannot draw a step.
        state : State
        """
        features, state = self.features(notes, state)
        log_prob, sampler = self.sampler.log_prob(features, notes, state.sampler, uniforms)
        return log_prob, state._replace(sampler=sampler)

    def step(self, state: State, uniforms: Tensor, temperature: float) -> tuple[Tensor, State]:
        """Draw the next step and go on to it.

        Parameters
        ----------
        state : State
        uniforms : Tensor[B, 1, draws]
            Random numbers in [0, 1).
        temperature : float
            0 takes the most probable decision each time.

        Returns
        -------
        notes : Tensor[B, 1, K]
        state : State
        """
        features, remembered = self.memory(
            state.notes, clock(state.step, 1, state.notes.dtype), state.memory
        )
        notes, sampler = self.sampler.sample(features, state.sampler, uniforms, temperature)
        return notes, State(notes, state.step + 1, remembered, sampler)

    def features(self, notes: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute what the memory gives the sampler at each step of known notes.

        Parameters
        ----------
        notes : Tensor[B, T, K]
            The true notes; those of a step only serve the steps after it.
        state : State

        Returns
        -------
        features : Tensor[B, T, F]
        state : State
            With the sampler's part as it was.
        """
        heard, time = self._heard(notes, state)
        features, remembered = self.memory(heard, time, state.memory)
        step = state.step + notes.shape[1]
        return features, State(notes[:, -1:], step, remembered, state.sampler)

    def reading(self, notes: Tensor, state: State) -> Tensor:
        """Tell where the memory reads while it follows known notes.

        Parameters
        ----------
        notes : Tensor[B, T, K]
        state : State

        Returns
        -------
        Tensor[B, T, lags]
            The weight of each lag.
        """
        return self.memory.reading(*self._heard(notes, state), state.memory)

    def _heard(self, notes: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """The memory's input: the step before each, and the time."""
        heard = torch.cat([state.notes, notes[:, :-1]], 1)
        return heard, clock(state.step, notes.shape[1], notes.dtype)
