"""Training of the score creator."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core import training
from ostinato.core.noise import normals
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.sound import score_creators
from ostinato.sound.data.frames import NEXT, Windows
from ostinato.sound.score_creators import ScoreCreator

FRAMES = Path("data/frames")
VALID_WINDOWS = 2048
TINY = 1e-6
"""Added to the spread of numbers, which may be 0 in very few pieces."""
CHUNK = 512
WAYS = 4
"""Ways from noise to each frame in a batch: they cost little beside reading the past."""


def _ways(shape: tuple[int, ...], seed: int, *names: str | int) -> tuple[Tensor, Tensor]:
    """Where ways begin, of that shape, and how far along to look, mostly about the middle."""
    time = torch.sigmoid(normals(shape[:-1], seed, *names, "time"))
    return normals(shape, seed, *names, "noise"), time


def fit_score_creator(
    params: Params,
) -> tuple[ScoreCreator, dict[str, Any], list[dict[str, float]]]:
    """Train the score creator that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.

    Returns
    -------
    ScoreCreator
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.core.training.train`.
    """
    settings = params.score_creator.training
    seed = derive(params.seed, "score_creator")
    windows, valid = Windows(FRAMES, "train"), Windows(FRAMES, "valid")
    config = {
        "kind": "score_creator",
        "size": windows.size,
        "score_creator": params.config("score_creators"),
    }
    training.prepare(params.threads, seed)
    model = score_creators.build(config["score_creator"], windows.size)
    frames = windows.frames()
    model.mean.copy_(frames.mean(0))
    model.spread.copy_(frames.std(0) + TINY)
    chosen = np.linspace(0, len(valid) - 1, min(VALID_WINDOWS, len(valid))).astype(np.int64)

    def batch(step: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(derive(seed, "batch", step))
        # What is random inside the network, too, depends on the step's number alone.
        torch.manual_seed(derive(seed, "dropout", step))
        shape = (WAYS, settings.batch, NEXT, windows.size)
        ways = _ways(shape, seed, "batch", step)
        return windows.take(rng.integers(len(windows), size=settings.batch)), *ways

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        total = 0.0
        for number, part in enumerate(np.split(chosen, range(CHUNK, len(chosen), CHUNK))):
            ways = _ways((WAYS, len(part), NEXT, windows.size), seed, "valid", number)
            total += model(valid.take(part), *ways).item() * len(part)
        return total / len(chosen)

    key = training.fingerprint(
        {"seed": params.seed, "threads": params.threads, "config": config, "training": settings},
        [FRAMES / "frames.npy", FRAMES / "songs.csv"],
    )
    history = training.train(model, batch, validate, settings, key, "score creator")
    return model.eval(), config, history
