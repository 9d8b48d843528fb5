"""A performer: a decoder, and a model of velocities if that is wanted, beside each other."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from ostinato.notes import decoders
from ostinato.notes.data.fragments import Batch
from ostinato.notes.parts.velocity import Params, Velocity

VELOCITY = 80 / 128
"""Of every key, without a model of velocities."""


class State(NamedTuple):
    """What a performer keeps between calls: the states of its parts."""

    decoder: Any
    velocity: Any


class Performer(nn.Module):
    """Turns pitch classes into keys, and strikes them.

    Velocities are those of MIDI divided by 128, and 0 where a key is not played.

    Parameters
    ----------
    config : dict
        ``decoder``, its name and parameters, and ``velocity``, the parameters of that model or
        None: from the content of a model's config.json.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact, or a lower bound in expectation over its draws.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.decoder = decoders.build(config["decoder"])
        velocity = config["velocity"]
        self.velocity = Velocity(Params(**velocity)) if velocity else None
        self.draws, self.reach = self.decoder.draws, self.decoder.reach
        self.exact = self.decoder.exact

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Sum what the trainings of both models minimise.

        Parameters
        ----------
        batch : Batch
            With velocities.
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
        """
        loss = self.decoder(keys_of(batch.past), keys_of(batch.notes), batch.mask, uniforms)
        if self.velocity:
            loss = loss + self.velocity(batch.past, batch.notes, batch.mask)
        return loss

    def classes(self, keys: Tensor) -> Tensor:
        """Give what its generator writes for these keys: Tensor[..., 88] to Tensor[..., K]."""
        return self.decoder.classes(keys)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            Velocities of what was played before, P at least `reach`.
        """
        velocity = self.velocity.initial(past) if self.velocity else None
        return State(self.decoder.initial(keys_of(past)), velocity)

    def follow(self, velocities: Tensor, state: State) -> State:
        """Hear what is given, Tensor[B, T, 88]: the state after it."""
        velocity = self.velocity.follow(velocities, state.velocity) if self.velocity else None
        return State(self.decoder.follow(keys_of(velocities), state.decoder), velocity)

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of keys, given their pitch classes.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            0 or 1.
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
            The velocities' part as it was.
        """
        log_prob, decoder = self.decoder.log_prob(keys, state.decoder, uniforms)
        return log_prob, state._replace(decoder=decoder)

    def sample(
        self, notes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step.

        Parameters
        ----------
        notes : Tensor[B, 1, K]
            What the generator wrote.
        state : State
        uniforms : Tensor[B, 1, draws]
            Random numbers in [0, 1).
        temperature : float
            Of the decoder.

        Returns
        -------
        velocities : Tensor[B, 1, 88]
        state : State
        """
        keys, decoder = self.decoder.sample(notes, state.decoder, uniforms, temperature)
        if self.velocity:
            velocities, velocity = self.velocity.sample(keys, state.velocity)
        else:
            velocities, velocity = keys * VELOCITY, None
        return velocities, State(decoder, velocity)


def keys_of(velocities: Tensor) -> Tensor:
    """Mark the keys that are played: 1 where there is a velocity."""
    return (velocities > 0).to(velocities.dtype)
