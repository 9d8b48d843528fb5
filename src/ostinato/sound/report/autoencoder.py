"""Metrics of an autoencoder on held-out pieces."""

from typing import Any

import numpy as np
import torch

from ostinato.core.progress import progress
from ostinato.scores.wav import RATE
from ostinato.sound.data.crops import Crops
from ostinato.sound.data.sound import FRAME, Sounds
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.report import measures
from ostinato.sound.report.baselines import Codec, largest_cosines, principal_components

PIECES, SECONDS = 50, 60
"""The most held-out pieces that are measured, and the most seconds of each."""
BASELINE_FRAMES = 10_000
"""The most frames from which principal components are computed."""


def held_out(sounds: Sounds) -> list[np.ndarray]:
    """Read the beginnings of test pieces, in complete frames.

    Returns
    -------
    list of ndarray[float32], shape [2, frames * FRAME]
    """
    longest = SECONDS * RATE // FRAME * FRAME
    return [
        sounds.piece(i, 0, min(longest, int(sounds.samples[i]) // FRAME * FRAME))
        for i in sounds.of("test")[:PIECES]
    ]


def codec(model: Autoencoder) -> Codec:
    """Make a function that encodes and decodes sound with a model."""

    def both_ways(sound: np.ndarray) -> np.ndarray:
        numbers = model.encode(torch.from_numpy(sound).to(next(model.parameters())))
        return model.decode(numbers)[:, : sound.shape[1]].cpu().numpy()

    return both_ways


def learned_codecs(
    model: Autoencoder, name: str, sounds: Sounds, pieces: list[int], frames: int, seed: int
) -> dict[str, Codec]:
    """Give a model and the best linear autoencoder from the same pieces, by their names.

    Parameters
    ----------
    model : Autoencoder
        Trained.
    name : str
        What to call it; the other one is ``pca_512``.
    sounds : Sounds
        The collection.
    pieces : list of int
        From which principal components are computed.
    frames, seed : int
        From how many frames at the most, and which.
    """
    frames = int(min(frames, sounds.samples[pieces].sum() // FRAME))
    linear = principal_components(Crops(sounds, pieces, FRAME).draw(frames, seed))
    return {name: codec(model), "pca_512": linear}


def measure(model: Autoencoder, name: str, sounds: Sounds, seed: int) -> dict[str, Any]:
    """Measure an autoencoder and its baselines on held-out pieces.

    Parameters
    ----------
    model : Autoencoder
        Trained.
    name : str
        What to call it in the result.
    sounds : Sounds
        The collection.
    seed : int
        Determines from which frames principal components are computed.

    Returns
    -------
    dict
        ``seconds`` of sound; ``snr`` (dB) over all of it, ``log_mel_distance`` (dB) and
        ``border_ratio`` (see `ostinato.sound.report.measures`), each for the model, for the best
        linear autoencoder (``pca_512``), and for the largest coefficients of discrete cosine
        transforms (``dct_512``).
    """
    pieces = held_out(sounds)
    codecs = learned_codecs(model, name, sounds, sounds.of("train"), BASELINE_FRAMES, seed)
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
