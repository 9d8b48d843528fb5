"""Improvising with trained models, whichever they are."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from ostinato.notes import system
from ostinato.notes.compose.performance import go_on
from ostinato.sound import transcriber
from ostinato.sound.compose.improvise import Improviser, by_frames, by_notes
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.sound.score_creators.player import Model as Player


def load(models: Path, device: torch.device, temperature: float) -> Improviser:
    """Load the models that improvise together.

    Parameters
    ----------
    models : Path
        Folder of the trained models. With a player, these are the transcriber, the generator and
        the decoder; otherwise, the autoencoder.
    device : torch.device
        Where to compute; able to compute in double precision.
    temperature : float
        That of new notes. At 0, the most probable ones are always taken. Frames are drawn as they
        were learned.

    Raises
    ------
    UserError
        If one is missing or of an earlier version.
    """
    creator = score_creator.load(models / "score_creator").to(device)
    return with_creator(creator, models, device, temperature)


def with_creator(
    creator: nn.Module, models: Path, device: torch.device, temperature: float
) -> Improviser:
    """Load the models that improvise together with a score creator; see `load`."""
    if not isinstance(creator, Player):
        return by_frames(autoencoder.load(models / "autoencoder").to(device), creator)
    writer = system.load(models / "generator", models / "decoder").to(device)
    hears = transcriber.load(models / "transcriber").to(device)
    return by_notes(hears, creator, partial(go_on, writer, temperature=temperature))
