"""Learning while composing: a system that is trained on what it has just played.

Before each step the system takes some steps of Adam on the last 256 steps that it heard. It goes
back to the trained weights before that each time ("reset"), or never within a piece ("moving").
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from ostinato.core import noise
from ostinato.core.params import Compose
from ostinato.core.progress import progress
from ostinato.notes.data.fragments import Batch
from ostinato.notes.system import System

HEARD = 256
"""Steps that it learns from."""

PART = 64
"""Their number is rounded up to a multiple of this. If every batch were one step longer than the
one before, memory that was freed would never fit, and gigabytes would be taken for each piece."""


def continue_learning(
    system: System, begun: Tensor, steps: int, settings: Compose, uniforms: Tensor, seed: int
) -> Tensor:
    """Go on from what was played, learning from it; states, history and time begin at zero.

    A piece has weights of its own, so pieces are made one by one.

    Parameters
    ----------
    system : System
        Trained; its weights stay as they are.
    begun : Tensor[1, S, 88]
        Velocities given, from the first step of a piece.
    steps : int
        New steps.
    settings : Compose
        Temperature and learning.
    uniforms : Tensor[1, S + steps, draws]
        Random numbers in [0, 1).
    seed : int
        Of the random numbers that learning needs.

    Returns
    -------
    Tensor[1, S + steps, 88]
        Velocities, the given ones first.
    """
    trained, system = system.state_dict(), copy.deepcopy(system)
    optimizer = torch.optim.Adam(system.parameters(), settings.learning_rate)
    fresh = copy.deepcopy(optimizer.state_dict())
    played, given = begun, begun.shape[1]
    for step in progress(range(given, given + steps), steps, "compose, learning"):
        if settings.learning == "reset":
            system.load_state_dict(trained)
            optimizer.load_state_dict(fresh)
        batch, heard = _heard(played, system.reach)
        shape = (*batch.mask.shape, system.draws)
        for number in range(settings.learning_steps):
            loss = system(batch, noise.uniforms(shape, seed, step, number))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            # The weights are others now, and so is what they make of all that was heard.
            state = system.initial(batch.past, batch.start)
            state = system.follow(heard, state, uniforms[:, step - heard.shape[1] : step])
            now, _ = system.step(state, uniforms[:, step : step + 1], settings.temperature)
        played = torch.cat([played, now], 1)
    return played


def _heard(played: Tensor, reach: int) -> tuple[Batch, Tensor]:
    """Make a batch of the last steps played, with silence that does not count after them.

    Returns
    -------
    batch : Batch
    heard : Tensor[1, up to HEARD, 88]
        The steps that count.
    """
    first = max(played.shape[1] - HEARD, 0)
    padded = functional.pad(played, (0, 0, reach, 0))
    heard = played[:, first:]
    rest = (0, -heard.shape[1] % PART)
    batch = Batch(
        padded[:, first : first + reach],
        functional.pad(heard, (0, 0, *rest)),
        functional.pad(heard.new_ones(heard.shape[:2]), rest),
        torch.tensor([first]),
    )
    return batch, heard
