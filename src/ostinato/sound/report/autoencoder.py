"""Figures of an autoencoder on pieces that it never heard."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from ostinato.core.progress import progress
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import FRAME, Sounds
from ostinato.sound.fit.autoencoder import Crops
from ostinato.sound.report import measures
from ostinato.sound.report.baselines import Codec, largest_cosines, principal_components

PIECES, SECONDS = 50, 60
"""How many held-out pieces are measured at most, and how much of each."""
YARDSTICK_FRAMES, SUBSET_FRAMES = 20_000, 6_000
"""Frames that principal components are computed from, at most."""


def held_out(sounds: Sounds) -> list[np.ndarray]:
    """Read the beginnings of test pieces, whole frames each.

    Returns
    -------
    list of ndarray[float32], shape [2, frames * FRAME]
    """
    longest = SECONDS * RATE // FRAME * FRAME
    return [
        sounds.piece(i, 0, min(longest, int(sounds.samples[i]) // FRAME * FRAME))
        for i in sounds.of("test")[:PIECES]
    ]


def codec(model: nn.Module) -> Codec:
    """Encoding and decoding by a model."""

    def both_ways(sound: np.ndarray) -> np.ndarray:
        numbers = model.encode(torch.from_numpy(sound))
        return model.decode(numbers)[:, : sound.shape[1]].numpy()

    return both_ways


def _learned(
    model: nn.Module, name: str, sounds: Sounds, pieces: list[int], most: int, seed: int
) -> dict[str, Codec]:
    """A model and the best linear autoencoder, from at most so many frames of the same pieces."""
    frames = int(min(most, sounds.samples[pieces].sum() // FRAME))
    linear = principal_components(Crops(sounds, pieces, FRAME).draw(frames, seed))
    return {name: codec(model), "pca_512": linear}


def measure(model: nn.Module, name: str, sounds: Sounds, seed: int) -> dict[str, Any]:
    """Measure an autoencoder and its yardsticks on held-out pieces.

    Parameters
    ----------
    model : nn.Module
        Trained.
    name : str
        What to call it.
    sounds : Sounds
        The collection.
    seed : int
        Decides from which frames principal components are computed.

    Returns
    -------
    dict
        ``seconds`` of sound; ``snr`` (dB) over all of it, ``log_mel_distance`` (dB) and
        ``border_ratio``, see `ostinato.sound.report.measures`, of the model, of the best linear
        autoencoder (``pca_512``) and of the largest cosines (``dct_512``).
    """
    pieces = held_out(sounds)
    codecs = _learned(model, name, sounds, sounds.of("train"), YARDSTICK_FRAMES, seed)
    codecs["dct_512"] = largest_cosines
    heard = {
        who: [one(x) for x in progress(pieces, len(pieces), f"measure {who}")]
        for who, one in codecs.items()
    }
    return {
        "seconds": sum(x.shape[1] for x in pieces) / RATE,
        "snr": {who: measures.snr(pieces, ys) for who, ys in heard.items()},
        "log_mel_distance": {
            who: float(
                np.mean([measures.log_mel_distance(*p) for p in zip(pieces, ys, strict=True)])
            )
            for who, ys in heard.items()
        },
        "border_ratio": {
            "original": measures.border_ratio(pieces),
            **{who: measures.border_ratio(ys) for who, ys in heard.items()},
        },
    }


def measure_subsets(
    models: Iterable[tuple[list[int], nn.Module]], name: str, sounds: Sounds, seed: int
) -> list[dict[str, float]]:
    """Measure models that learned from more and more pieces, on held-out ones.

    Parameters
    ----------
    models : iterable of (list of int, nn.Module)
        The pieces, and the model trained on them.
    name : str
        What to call it.
    sounds : Sounds
        The collection.
    seed : int
        Decides from which frames principal components are computed.

    Returns
    -------
    list of dict
        ``pieces``, and the signal-to-noise ratio in dB of the model and of ``pca_512``.
    """
    pieces = held_out(sounds)
    rows = []
    for learned, model in models:
        codecs = _learned(model, name, sounds, learned, SUBSET_FRAMES, seed)
        ratios = {who: measures.snr(pieces, list(map(one, pieces))) for who, one in codecs.items()}
        rows.append({"pieces": len(learned), **ratios})
    return rows
