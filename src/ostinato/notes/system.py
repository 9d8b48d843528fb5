"""A system: all that writes music together, a generator and a performer."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from ostinato.core.errors import UserError
from ostinato.core.models import read_model
from ostinato.notes import generator, performer
from ostinato.notes.data.fragments import Batch
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.generator import Generator
from ostinato.notes.performer import Performer


class State(NamedTuple):
    """What a system keeps between calls: the states of its parts."""

    generator: generator.State
    performer: performer.State


class System(nn.Module):
    """A distribution over sequences of sets of keys.

    Velocities are those of MIDI divided by 128, and 0 where a key is not played.

    Parameters
    ----------
    generator, decoder : dict
        The config.json of both models.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact, or a lower bound in expectation over its draws.
    holding : bool
        Whether a key stands at all steps at which it sounds, or only where it is struck.
    steps_per_beat : int
        Steps in a quarter note.
    """

    def __init__(self, generator: dict[str, Any], decoder: dict[str, Any]):
        super().__init__()
        self.generator = Generator(generator)
        self.performer = Performer(decoder)
        self.draws = self.generator.draws + self.performer.draws
        self.reach = max(self.generator.reach, self.performer.reach)
        self.exact = self.generator.sampler.exact and self.performer.exact
        self.holding = generator["representation"] == "holding"
        self.steps_per_beat = generator["steps_per_beat"]

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Sum what the trainings of both parts minimise.

        Parameters
        ----------
        batch : Batch
            With the velocities of 88 keys.
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
        """
        for_notes, for_keys = self.split(uniforms)
        past, notes = (self._notes(tensor) for tensor in (batch.past, batch.notes))
        written = Batch(past, notes, batch.mask, batch.start)
        return self.generator(written, for_notes) + self.performer(batch, for_keys)

    def initial(self, past: Tensor, step: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            Velocities of what was played before, P at least `reach`.
        step : Tensor[B] of int64
            Number of the first step.

        Returns
        -------
        State
        """
        begun = self.generator.initial(self._notes(past), step)
        return State(begun, self.performer.initial(past))

    def follow(self, velocities: Tensor, state: State, uniforms: Tensor) -> State:
        """Hear what is given: the state after it.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1), for decisions that are hidden.
        """
        for_notes, _ = self.split(uniforms)
        _, heard = self.generator.log_prob(self._notes(velocities), state.generator, for_notes)
        return State(heard, self.performer.follow(velocities, state.performer))

    def log_prob(self, velocities: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of each step's keys, given the true steps before it.

        p(keys) = p(pitch classes) p(keys | pitch classes). Velocities have no part in it.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
            The truth.
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where the system cannot draw a step.
        state : State
        """
        for_notes, for_keys = self.split(uniforms)
        notes, keys = self._notes(velocities), (velocities > 0).to(velocities.dtype)
        of_notes, written = self.generator.log_prob(notes, state.generator, for_notes)
        of_keys, _ = self.performer.log_prob(keys, state.performer, for_keys)
        played = self.performer.follow(velocities, state.performer)
        return of_notes + of_keys, State(written, played)

    def step(self, state: State, uniforms: Tensor, temperature: float) -> tuple[Tensor, State]:
        """Draw the next step and go on to it.

        Parameters
        ----------
        state : State
        uniforms : Tensor[B, 1, draws]
            Random numbers in [0, 1).
        temperature : float
            Of both parts; 0 takes the most probable decision each time.

        Returns
        -------
        velocities : Tensor[B, 1, 88]
        state : State
        """
        for_notes, for_keys = self.split(uniforms)
        notes, written = self.generator.step(state.generator, for_notes, temperature)
        velocities, played = self.performer.sample(notes, state.performer, for_keys, temperature)
        return velocities, State(written, played)

    def split(self, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Split random numbers into those of the generator and those of the performer."""
        return uniforms.split([self.generator.draws, self.performer.draws], -1)

    def _notes(self, velocities: Tensor) -> Tensor:
        return self.performer.classes((velocities > 0).to(velocities.dtype))


def load(generator: Path, decoder: Path) -> System:
    """Read a trained system.

    Parameters
    ----------
    generator, decoder : Path
        Folders of the two models.

    Returns
    -------
    System
        Ready to write music.

    Raises
    ------
    UserError
        When a model is missing, or the two do not belong together.
    """
    (config, weights), (other, more) = read_model(generator), read_model(decoder)
    needed = ((generator, config, "steps_per_beat"), (decoder, other, "velocity"))
    for folder, content, name in needed:
        if name not in content:
            raise UserError(f"{folder} holds another kind of model, or one of an earlier version")
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
    system.load_state_dict(
        {f"generator.{name}": weight for name, weight in weights.items()}
        | {f"performer.{name}": weight for name, weight in more.items()}
    )
    return system.eval()
