"""A performer: a decoder and, optionally, a velocity model."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from ostinato.core import models
from ostinato.notes.data.fragments import Batch
from ostinato.notes.parts.dynamics import Dynamics
from ostinato.notes.parts.velocity import Params, Velocity

VELOCITY = 80 / 128
"""Velocity of all keys when there is no velocity model: MIDI velocity divided by 128."""


VELOCITY_MODELS = {"lstm": Velocity, "dynamics": Dynamics}
"""Models of velocities, by the names that they have in a model's config.json."""


class State(NamedTuple):
    """What a performer keeps between calls: the states of its parts."""

    decoder: Any
    velocity: Any


class Performer(nn.Module):
    """Turns pitch classes into keys with velocities.

    Velocities are MIDI velocities divided by 128, and 0 where a key is not played. Where keys are
    held, not struck, they are negative.

    Parameters
    ----------
    config : dict
        The content of a model's config.json, of which these are used: ``decoder`` (its name and
        parameters) and ``velocity`` (likewise, or None if there is no velocity model).

    Attributes
    ----------
    num_uniforms, context_length, exact
        As for `ostinato.notes.generator.Generator`.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.decoder = models.build("ostinato.notes.decoders", config["decoder"])
        self.velocity = None
        if config["velocity"]:
            name, hidden = config["velocity"]["name"], config["velocity"]["hidden"]
            self.velocity = VELOCITY_MODELS[name](Params(hidden=hidden))
        of_velocities = self.velocity.num_uniforms if self.velocity else 0
        self.num_uniforms = self.decoder.num_uniforms + of_velocities
        self.context_length = self.decoder.context_length
        self.exact = self.decoder.exact

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Compute the sum of the training losses of both models.

        Parameters
        ----------
        batch : Batch
            With velocities.
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
        """
        for_keys, _ = self._split(uniforms)
        loss = self.decoder(keys_of(batch.past), keys_of(batch.notes), batch.mask, for_keys)
        if self.velocity:
            loss = loss + self.velocity(batch.past, batch.notes, batch.mask, batch.positions)
        return loss

    def classes(self, keys: Tensor) -> Tensor:
        """Convert keys to the notes that a generator writes: Tensor[..., 88] to Tensor[..., K]."""
        return self.decoder.classes(keys)

    def initial(self, past: Tensor, positions: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            Velocities of the steps before it; P is at least `context_length`.
        positions : Tensor[B, S, 10] of int64
            As for `ostinato.notes.generator.Generator.initial`.
        """
        velocity = self.velocity.initial(past, positions) if self.velocity else None
        return State(self.decoder.initial(keys_of(past)), velocity)

    def follow(self, velocities: Tensor, state: State) -> State:
        """Process given velocities, Tensor[B, T, 88], and return the state after them."""
        velocity = self.velocity.follow(velocities, state.velocity) if self.velocity else None
        return State(self.decoder.follow(keys_of(velocities), state.decoder), velocity)

    def log_prob(self, velocities: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of keys, given their pitch classes.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
            The true velocities; only which keys are played counts.
        state : State
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1).

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        for_keys, _ = self._split(uniforms)
        log_prob, decoder = self.decoder.log_prob(keys_of(velocities), state.decoder, for_keys)
        velocity = self.velocity.follow(velocities, state.velocity) if self.velocity else None
        return log_prob, State(decoder, velocity)

    def sample(
        self, notes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step.

        Parameters
        ----------
        notes : Tensor[B, 1, K]
            What the generator wrote.
        state : State
        uniforms : Tensor[B, 1, num_uniforms]
            Random numbers in [0, 1).
        temperature : float
            At 0, the most probable outcome is always taken.

        Returns
        -------
        velocities : Tensor[B, 1, 88]
        state : State
        """
        for_keys, for_velocities = self._split(uniforms)
        keys, decoder = self.decoder.sample(notes, state.decoder, for_keys, temperature)
        if self.velocity:
            velocities, velocity = self.velocity.sample(
                keys, state.velocity, for_velocities, temperature
            )
        else:
            velocities, velocity = keys * VELOCITY, None
        return velocities, State(decoder, velocity)

    def guess(self, notes: Tensor, past: Tensor, velocities: Tensor, uniforms: Tensor) -> Tensor:
        """Draw the keys of known music several times; as `Decoder.guess`, but of velocities."""
        for_keys, _ = self._split(uniforms)
        return self.decoder.guess(notes, keys_of(past), keys_of(velocities), for_keys)

    def _split(self, uniforms: Tensor) -> tuple[Tensor, ...]:
        """Split random numbers into those of the decoder and those of the velocity model."""
        return uniforms.tensor_split([self.decoder.num_uniforms], -1)


def keys_of(velocities: Tensor) -> Tensor:
    """Mark the keys that are played: 1 where there is a velocity, -1 where it is negative."""
    return velocities.sign()
