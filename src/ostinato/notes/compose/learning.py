"""Learning while composing: a system is trained on what it has just played.

Before each step of the music, the system takes some steps of Adam on the last 256 steps that it
heard. With "reset", it first goes back to the trained weights each time. With "moving", it keeps
learning throughout a piece.
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
"""Number of most recent steps that it learns from."""

PART = 64
"""The length of a batch is rounded up to a multiple of this. If every batch were one step longer
than the one before, freed memory could never be reused, and each piece would take gigabytes."""


def continue_learning(
    system: System,
    begun: Tensor,
    positions: Tensor,
    settings: Compose,
    uniforms: Tensor,
    seed: int,
) -> Tensor:
    """Continue what was played while learning from it.

    States and history start at zero. Each piece has its own weights, so pieces are composed one by
    one.

    Parameters
    ----------
    system : System
        Trained; its weights are not changed.
    begun : Tensor[1, S, 88]
        Given velocities, from the first step of a piece.
    positions : Tensor[1, N, 10] of int64
        Where the N steps of the piece stand, those given included.
    settings : Compose
        Temperature and learning.
    uniforms : Tensor[1, N, num_uniforms]
        Random numbers in [0, 1).
    seed : int
        Seed for the random numbers used in learning.

    Returns
    -------
    Tensor[1, N, 88]
        Velocities, the given ones first.
    """
    trained, system = system.state_dict(), copy.deepcopy(system)
    optimizer = torch.optim.Adam(system.parameters(), settings.learning_rate)
    fresh = copy.deepcopy(optimizer.state_dict())
    played, given, end = begun, begun.shape[1], positions.shape[1]
    for step in progress(range(given, end), end - given, "compose, learning"):
        if settings.learning == "reset":
            system.load_state_dict(trained)
            optimizer.load_state_dict(fresh)
        batch, heard = _heard(played, positions, system.context_length)
        shape = (*batch.mask.shape, system.num_uniforms)
        for number in range(settings.learning_steps):
            chance = noise.uniforms(shape, seed, step, number).to(begun.device)
            loss = system(batch, chance)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            # The weights have changed, so the state is computed anew from what was heard.
            state = system.initial(batch.past, positions[:, step - heard.shape[1] :])
            state = system.follow(heard, state, uniforms[:, step - heard.shape[1] : step])
            now, _ = system.step(state, uniforms[:, step : step + 1], settings.temperature)
        played = torch.cat([played, now], 1)
    return played


def _heard(played: Tensor, positions: Tensor, context: int) -> tuple[Batch, Tensor]:
    """Make a batch of the last steps played, padded at the end with silence that is masked.

    Returns
    -------
    batch : Batch
    heard : Tensor[1, up to HEARD, 88]
        The same steps without padding.
    """
    first = max(played.shape[1] - HEARD, 0)
    padded = functional.pad(played, (0, 0, context, 0))
    heard = played[:, first:]
    rest = (0, -heard.shape[1] % PART)
    place = torch.arange(first, played.shape[1] + rest[1], device=played.device)
    batch = Batch(
        padded[:, first : first + context],
        functional.pad(heard, (0, 0, *rest)),
        functional.pad(heard.new_ones(heard.shape[:2]), rest),
        positions[:, place.clamp(max=positions.shape[1] - 1)],
    )
    return batch, heard
