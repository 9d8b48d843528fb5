"""Training of the autoencoder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core import training
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.sound import autoencoders
from ostinato.sound.data.sound import FRAME, Sounds

AUDIO = Path("data/audio")
CROP_FRAMES = 8
"""Frames of a crop, two seconds."""
START_CROPS = 128, 1000
"""Least and largest number of crops that the start is computed from, about as many as there are."""
VALID_CROPS, FINISH_CROPS = 96, 256
SUBSETS = (4, 32)
"""Numbers of pieces to train on, to see what more of them do; besides all."""


class Crops:
    """Short stretches of sound from any place of any piece.

    Parameters
    ----------
    sounds : Sounds
        The collection.
    pieces : sequence of int
        Which pieces; a piece shorter than a crop is followed by silence.
    samples : int
        Length of a crop.
    """

    def __init__(self, sounds: Sounds, pieces: Sequence[int], samples: int):
        self.sounds = sounds
        self.pieces = np.array(pieces)
        self.samples = samples
        lengths = sounds.samples[self.pieces]
        self._ends = np.cumsum(np.where(lengths > samples, lengths - samples, lengths))

    def draw(self, count: int, seed: int) -> Tensor:
        """Draw crops, each place as likely as any other, short pieces as often as they are long.

        Returns
        -------
        Tensor[count, 2, samples] of float32
        """
        places = np.random.default_rng(seed).integers(self._ends[-1], size=count)
        return torch.stack([self._at(place) for place in places])

    def _at(self, place: int) -> Tensor:
        which = np.searchsorted(self._ends, place, side="right")
        piece = int(self.pieces[which])
        length = int(self.sounds.samples[piece])
        first = int(place - (self._ends[which - 1] if which else 0)) if length > self.samples else 0
        there = min(self.samples, length - first)
        part = torch.from_numpy(self.sounds.piece(piece, first, there))
        return nn.functional.pad(part, (0, self.samples - there))


def fit_subsets(params: Params, sounds: Sounds) -> Iterator[tuple[list[int], nn.Module]]:
    """Train on more and more pieces, a tenth of the steps each.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    sounds : Sounds
        The collection.

    Yields
    ------
    list of int, nn.Module
        The pieces, and the model trained on them.
    """
    training_pieces = sounds.of("train")
    short = max(1, params.autoencoder.training.max_steps // 10)
    shorter = {"max_steps": short, "validate_every": short}
    settings = params.autoencoder.training.model_copy(update=shorter)
    params = params.model_copy(
        update={"autoencoder": params.autoencoder.model_copy(update={"training": settings})}
    )
    for count in sorted({*SUBSETS, len(training_pieces)}):
        if count <= len(training_pieces):
            pieces = training_pieces[:count]
            yield pieces, fit_autoencoder(params, sounds, pieces)[0]


def fit_autoencoder(
    params: Params, sounds: Sounds, pieces: Sequence[int] | None = None
) -> tuple[nn.Module, dict[str, Any], list[dict[str, float]]]:
    """Train the autoencoder that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    sounds : Sounds
        The collection.
    pieces : sequence of int, optional
        The pieces to train on; all for training unless given.

    Returns
    -------
    nn.Module
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.core.training.train`.
    """
    settings = params.autoencoder.training
    pieces = sounds.of("train") if pieces is None else pieces
    seed = derive(params.seed, "autoencoder")
    config = {"kind": "autoencoder", "autoencoder": params.config("autoencoders")}
    training.prepare(params.threads, seed)
    model = autoencoders.build(config["autoencoder"])
    samples = CROP_FRAMES * FRAME + model.overlap
    crops = Crops(sounds, pieces, samples)
    there = sum(sounds.samples[piece] for piece in pieces) // samples
    model.start(crops.draw(int(np.clip(there, *START_CROPS)), derive(seed, "start")))
    valid = Crops(sounds, sounds.of("valid"), samples).draw(VALID_CROPS, derive(seed, "valid"))

    def batch(step: int) -> tuple[Any, ...]:
        # What is random inside the model, too, depends on the step's number alone.
        torch.manual_seed(derive(seed, "noise", step))
        return (crops.draw(settings.batch, derive(seed, "batch", step)),)

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        torch.manual_seed(derive(seed, "valid noise"))
        losses = [model(part).item() for part in valid.split(settings.batch)]
        return sum(losses) / len(losses)

    key = training.fingerprint(
        {
            "seed": params.seed,
            "threads": params.threads,
            "config": config,
            "training": settings,
            "pieces": [sounds.id[piece] for piece in pieces],
        },
        [AUDIO / "songs.csv"],
    )
    history = training.train(model, batch, validate, settings, key, "autoencoder")
    model.eval().finish(crops.draw(FINISH_CROPS, derive(seed, "finish")))
    return model, config, history
