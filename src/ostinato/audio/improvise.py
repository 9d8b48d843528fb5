"""Improvising: ten seconds of sound in, as many seconds as wanted come after them."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ostinato import autoencoders, score_creators
from ostinato.audio.sound import FRAME, RATE
from ostinato.errors import UserError
from ostinato.score_creators import NOISE, PAST, ScoreCreator
from ostinato.seeds import derive

SEED_SAMPLES = PAST * FRAME
"""Samples that an improvisation begins with, ten seconds."""


def load_autoencoder(models: Path) -> nn.Module:
    """Build the trained autoencoder from the folder of all models."""
    config, weights = _read(models / "autoencoder")
    model = autoencoders.build(config["autoencoder"])
    model.load_state_dict(weights)
    return model.eval()


def load_score_creator(models: Path) -> ScoreCreator:
    """Build the trained score creator from the folder of all models."""
    config, weights = _read(models / "score_creator")
    model = score_creators.build(config["score_creator"], config["size"])
    model.load_state_dict(weights)
    return model.eval()


def _read(folder: Path) -> tuple[dict, dict[str, Tensor]]:
    if not (folder / "config.json").exists():
        raise UserError(
            f"{folder} holds no model; `dvc pull --allow-missing` or `dvc repro` brings it"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config, load_file(folder / "model.safetensors")


@torch.no_grad()
def improvise(
    autoencoder: nn.Module, creator: ScoreCreator, begun: Tensor, seconds: float, seed: int
) -> Tensor:
    """Go on from ten seconds of sound.

    They are encoded; the score creator draws 5 frames after the last 40, these are appended, the
    oldest 5 dropped, and so on; at the end everything is decoded.

    Parameters
    ----------
    autoencoder, creator
        Trained models.
    begun : Tensor[2, 441000]
        What was heard, in [-1, 1].
    seconds : float
        How long to go on.
    seed : int
        Decides what is drawn.

    Returns
    -------
    Tensor[2, 441000 + seconds * 44100]
        The beginning as decoded, and what follows.
    """
    samples = begun.shape[1] + round(seconds * RATE)
    before = autoencoder.encode(begun)[:PAST]
    content = before[:, : autoencoder.content]
    frames = math.ceil((samples + autoencoder.overlap) / FRAME)
    generator = torch.Generator().manual_seed(derive(seed, "improvise"))
    while len(content) < frames:
        noise = torch.randn(1, NOISE, generator=generator)
        following = creator.sample(content[None, -PAST:], noise)[0]
        content = torch.cat([content, following])
    new = autoencoder.complete(content[PAST:], before)
    return autoencoder.decode(torch.cat([before, new]))[:, :samples].clamp(-1, 1)
