"""A system: a generator and a performer, which together write music."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from ostinato.core.errors import UserError
from ostinato.core.models import load_weights, read_model
from ostinato.notes import generator, performer
from ostinato.notes.data.fragments import Batch
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.generator import Generator
from ostinato.notes.performer import Performer, keys_of


class State(NamedTuple):
    """What a system keeps between calls: the states of its parts."""

    generator: generator.State
    performer: performer.State


class System(nn.Module):
    """A distribution over sequences of sets of keys.

    Velocities are MIDI velocities divided by 128, and 0 where a key is not played. Where keys are
    held, not struck, they are negative.

    Parameters
    ----------
    generator, decoder : dict
        The contents of config.json of both models.

    Attributes
    ----------
    num_uniforms, context_length, exact
        As for `ostinato.notes.generator.Generator`.
    representation : str
        ``"onset"``, ``"holding"`` or ``"notes"``; see `ostinato.notes.data.rolls.render_roll`.
    steps_per_beat : int
        Number of steps in a quarter note.
    """

    def __init__(self, generator: dict[str, Any], decoder: dict[str, Any]):
        super().__init__()
        self.generator = Generator(generator)
        self.performer = Performer(decoder)
        self.num_uniforms = self.generator.num_uniforms + self.performer.num_uniforms
        self.context_length = max(self.generator.context_length, self.performer.context_length)
        self.exact = self.generator.exact and self.performer.exact
        self.representation = generator["representation"]
        self.steps_per_beat = generator["steps_per_beat"]

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Compute the sum of the training losses of both parts.

        Parameters
        ----------
        batch : Batch
            Its past and notes are velocities of 88 keys.
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
        """
        for_notes, for_keys = self.split(uniforms)
        return self.generator(self._written(batch), for_notes) + self.performer(batch, for_keys)

    def initial(self, past: Tensor, positions: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            Velocities of the steps before it; P is at least `context_length`.
        positions : Tensor[B, S, 10] of int64
            As for `Generator.initial`.

        Returns
        -------
        State
        """
        begun = self.generator.initial(self._notes(past), positions)
        return State(begun, self.performer.initial(past, positions))

    def follow(self, velocities: Tensor, state: State, uniforms: Tensor) -> State:
        """Process given velocities, and return the state after them.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
        state : State
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1), for latent decisions.
        """
        for_notes, _ = self.split(uniforms)
        _, heard = self.generator.log_prob(self._notes(velocities), state.generator, for_notes)
        return State(heard, self.performer.follow(velocities, state.performer))

    def log_prob(self, velocities: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of each step's keys, given the true steps before it.

        p(keys) = p(pitch classes) p(keys | pitch classes). Only which keys are played counts, not
        how hard they are struck.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
            The true velocities.
        state : State
        uniforms : Tensor[B, T, num_uniforms]
            Random numbers in [0, 1).

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where the system cannot draw a step.
        state : State
        """
        for_notes, for_keys = self.split(uniforms)
        notes = self._notes(velocities)
        of_notes, written = self.generator.log_prob(notes, state.generator, for_notes)
        of_keys, played = self.performer.log_prob(velocities, state.performer, for_keys)
        return of_notes + of_keys, State(written, played)

    def step(self, state: State, uniforms: Tensor, temperature: float) -> tuple[Tensor, State]:
        """Draw velocities of the next step, Tensor[B, 1, 88]; see `Generator.step`."""
        for_notes, for_keys = self.split(uniforms)
        notes, written = self.generator.step(state.generator, for_notes, temperature)
        velocities, played = self.performer.sample(notes, state.performer, for_keys, temperature)
        return velocities, State(written, played)

    def guess(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Draw the keys of known music several times, Tensor[D, B, T, 88]; see `Generator.guess`.

        The batch contains velocities.
        """
        for_notes, for_keys = self.split(uniforms)
        notes = self.generator.guess(self._written(batch), for_notes)
        return self.performer.guess(notes, batch.past, batch.notes, for_keys[:, 1])

    def split(self, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Split random numbers into those of the generator and those of the performer."""
        sizes = [self.generator.num_uniforms, self.performer.num_uniforms]
        return uniforms.split(sizes, -1)

    def _written(self, batch: Batch) -> Batch:
        """Convert a batch of velocities to the notes that the generator writes."""
        past, notes = (self._notes(tensor) for tensor in (batch.past, batch.notes))
        return Batch(past, notes, batch.mask, batch.positions)

    def _notes(self, velocities: Tensor) -> Tensor:
        return self.performer.classes(keys_of(velocities))


def load(generator: Path, decoder: Path) -> System:
    """Read a trained system.

    Parameters
    ----------
    generator, decoder : Path
        Folders of the two models.

    Returns
    -------
    System
        In evaluation mode.

    Raises
    ------
    UserError
        If a model is missing, or the two do not fit together.
    """
    (config, weights), (other, more) = read_model(generator), read_model(decoder)
    needed = ((generator, config, "repeating"), (decoder, other, "velocity"))
    for folder, content, name in needed:
        if name not in content:
            raise UserError(f"{folder} holds another kind of model, or one of an earlier version")
    if other["velocity"] and "name" not in other["velocity"]:
        raise UserError(f"{decoder} holds a velocity model of an earlier version")
    keys, kind = config["keys"], other["kind"]
    if (kind == "none") != (keys == KEYS):
        wanted = "none" if keys == KEYS else "another"
        raise UserError(
            f"{generator} writes {keys} keys and wants decoder.kind {wanted}, {decoder} is {kind}"
        )
    if other["representation"] != config["representation"]:
        raise UserError(
            f"{generator} has the representation {config['representation']}, "
            f"{decoder} {other['representation']}"
        )
    system = System(config, other)
    load_weights(system.generator, weights, generator)
    load_weights(system.performer, more, decoder)
    return system.eval()
