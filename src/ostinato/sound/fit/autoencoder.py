"""Training the autoencoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.core import devices, models
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task
from ostinato.sound.data.crops import Crops
from ostinato.sound.data.sound import FRAME, Sounds
from ostinato.sound.parts.autoencoder import PACKAGE

CROP_FRAMES = 8
"""Frames per crop: two seconds."""
START_CROPS = 128, 1000
"""The least and the most crops from which the initial weights are computed. Between these bounds,
there are as many as fit into the pieces without overlap."""
VALID_CROPS, FINISH_CROPS = 96, 256


def autoencoder_task(params: Params, audio: Path, pieces: Sequence[int] | None = None) -> Task:
    """Prepare the training of the autoencoder that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    audio : Path
        What a function of `ostinato.sound.data.collection` wrote.
    pieces : sequence of int, optional
        The pieces to train on; by default, all training pieces.

    Returns
    -------
    Task
    """
    settings = params.autoencoder.training
    sounds = Sounds(audio)
    pieces = sounds.of("train") if pieces is None else pieces
    seed = derive(params.seed, "autoencoder")
    config = {"kind": "autoencoder", "autoencoder": params.config("autoencoders")}
    device = devices.prepare(params.threads, seed, params.device)
    model = models.build(PACKAGE, config["autoencoder"])
    samples = CROP_FRAMES * FRAME + model.overlap
    crops = Crops(sounds, pieces, samples)
    available = sum(sounds.samples[piece] for piece in pieces) // samples
    model.start(crops.draw(int(np.clip(available, *START_CROPS)), derive(seed, "start")))
    model.to(device)
    drawn = Crops(sounds, sounds.of("valid"), samples).draw(VALID_CROPS, derive(seed, "valid"))
    valid = drawn.to(device).split(settings.batch)

    def batch(step: int) -> tuple[Any, ...]:
        return (crops.draw(settings.batch, derive(seed, "batch", step)),)

    @torch.no_grad()
    def validate(part: int) -> tuple[float, float]:
        return model.eval()(valid[part]).item(), len(valid[part])

    def finish() -> None:
        model.finish(crops.draw(FINISH_CROPS, derive(seed, "finish")).to(device))

    return Task(
        what="autoencoder",
        model=model,
        config=config,
        batch=batch,
        validate=validate,
        parts=len(valid),
        settings=settings,
        seed=seed,
        # songs.csv contains a hash of each piece's samples; the samples themselves are gigabytes.
        inputs=[audio / "songs.csv"],
        used={"pieces": [sounds.id[piece] for piece in pieces]},
        finish=finish,
    )
