"""Training the score creator."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices, models
from ostinato.core.noise import normals
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task
from ostinato.sound.data.frames import NEXT, Windows
from ostinato.sound.fit.player import PLAYER, player_task
from ostinato.sound.parts.score_creator import PACKAGE

VALID_WINDOWS = 2048
TINY = 1e-6
"""Added to the standard deviations, which may be 0 if there are very few pieces."""
CHUNK = 512
"""The number of windows that are validated at a time."""
STARTS = 4
"""Noise samples for each frame in a batch. They cost little compared with reading the past."""


def score_creator_task(params: Params, audio: Path, frames: Path) -> Task:
    """Prepare the training of the score creator that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    audio : Path
        What a function of `ostinato.sound.data.collection` wrote; the player alone needs it.
    frames : Path
        What `ostinato.sound.data.frames.build` wrote.

    Returns
    -------
    Task
    """
    if params.score_creator.kind == PLAYER:
        return player_task(params, audio, frames)
    settings = params.score_creator_training
    seed = derive(params.seed, "score_creator")
    windows, valid = Windows(frames, "train"), Windows(frames, "valid")
    config = {
        "kind": "score_creator",
        "size": windows.size,
        "score_creator": params.config("score_creators"),
    }
    device = devices.prepare(params.threads, seed, params.device)
    model = models.build(PACKAGE, config["score_creator"], windows.size)
    every = windows.frames()
    model.mean.copy_(every.mean(0))
    model.spread.copy_(every.std(0) + TINY)
    model.to(device)
    chosen = np.linspace(0, len(valid) - 1, min(VALID_WINDOWS, len(valid))).astype(np.int64)
    parts = np.split(chosen, range(CHUNK, len(chosen), CHUNK))

    def noise(count: int, *names: str | int) -> tuple[Tensor, Tensor]:
        """Draw noise, and times that are mostly near the middle (logit-normal)."""
        shape = (STARTS, count, NEXT, windows.size)
        time = torch.sigmoid(normals(shape[:-1], seed, *names, "time"))
        return normals(shape, seed, *names, "noise"), time

    def batch(step: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(derive(seed, "batch", step))
        which = rng.integers(len(windows), size=settings.batch)
        return windows.take(which), *noise(settings.batch, "batch", step)

    @torch.no_grad()
    def validate(number: int) -> tuple[float, float]:
        windows = valid.take(parts[number])
        drawn = noise(len(windows), "valid", number)
        loss = model.eval()(*(each.to(device) for each in (windows, *drawn)))
        return loss.item(), len(windows)

    def share(arguments: tuple[Any, ...], rows: slice) -> tuple[Any, ...]:
        windows, normal, time = arguments
        return windows[rows], normal[:, rows], time[:, rows]

    return Task(
        what="score creator",
        model=model,
        config=config,
        batch=batch,
        validate=validate,
        parts=len(parts),
        share=share,
        settings=settings,
        seed=seed,
        inputs=[frames / "frames.npy", frames / "songs.csv"],
    )
