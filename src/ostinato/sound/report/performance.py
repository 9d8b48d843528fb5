"""The improvisation on a held-out piece, compared with the original continuation."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.core.errors import UserError
from ostinato.core.seeds import derive
from ostinato.scores.wav import RATE, write_wav
from ostinato.sound.compose.improvise import SEED_SAMPLES, improvise
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.parts.score_creator import ScoreCreator
from ostinato.sound.report import measures
from ostinato.sound.report.spectra import draw_spectra


def choose(sounds: Sounds, seconds: float, seed: int) -> int:
    """Choose a test piece to continue: one that is as long as the improvisation, if there is any.

    Raises
    ------
    UserError
        When no test piece lasts ten seconds.
    """
    tests = sounds.of("test")
    lengths = sounds.samples[tests]
    if lengths.max() < SEED_SAMPLES:
        raise UserError(
            f"data/held_out: the longest test piece lasts {lengths.max() / RATE:.1f} s, "
            "an improvisation begins with 10 s"
        )
    wanted = min(int(lengths.max()), SEED_SAMPLES + round(seconds * RATE))
    long_enough = [i for i, n in zip(tests, lengths, strict=True) if n >= wanted]
    return int(np.random.default_rng(derive(seed, "piece")).choice(long_enough))


def perform(
    out: Path,
    sounds: Sounds,
    autoencoder: Autoencoder,
    creator: ScoreCreator,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Improvise on a held-out piece: ``ID.wav``, ``ID-original.wav``, ``ID.png``.

    Parameters
    ----------
    out : Path
        A folder.
    sounds : Sounds
        The collection.
    autoencoder, creator
        Trained models.
    seconds : float
        The length of the continuation after the first ten seconds.
    seed : int
        Determines the piece and what is drawn.

    Returns
    -------
    dict
        The ``piece``, and what `compare` returns.
    """
    piece = choose(sounds, seconds, seed)
    end = min(int(sounds.samples[piece]), SEED_SAMPLES + round(seconds * RATE))
    true = sounds.piece(piece, 0, end)
    begun = torch.from_numpy(true[:, :SEED_SAMPLES])
    heard = improvise(autoencoder, creator, begun, seconds, seed).numpy()
    name = sounds.id[piece]
    write_wav(out / f"{name}.wav", heard.T)
    write_wav(out / f"{name}-original.wav", true.T)
    draw_spectra(
        out / f"{name}.png",
        {f"{name}, as it goes on": true, "improvised after the line": heard},
        SEED_SAMPLES / RATE,
    )
    return {"piece": name, **compare(heard, true)}


def compare(heard: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Compare an improvisation with the piece that it continues.

    Parameters
    ----------
    heard, true : ndarray[float32], shape [2, samples]
        Both begin with the same ten seconds.

    Returns
    -------
    dict
        ``level``: the root mean square in dB relative to full scale, of the first ten seconds
        (``seed``) and of each second after them (``improvised`` and ``true``). ``level_change``:
        the largest absolute difference between an improvised second and the seed.
        ``spectral_distance``: the mean absolute difference, in dB, between the average mel spectra
        of the two continuations.
    """
    start = measures.level(heard[:, :SEED_SAMPLES])
    levels = _levels(heard[:, SEED_SAMPLES:])
    spectra = [measures.log_mel(x[:, SEED_SAMPLES:].mean(0), -60.0).mean(1) for x in (heard, true)]
    return {
        "level": {
            "seed": start,
            "improvised": levels,
            "true": _levels(true[:, SEED_SAMPLES:]),
        },
        "level_change": max((abs(level - start) for level in levels), default=0.0),
        "spectral_distance": float(np.abs(spectra[0] - spectra[1]).mean()),
    }


def _levels(sound: np.ndarray) -> list[float]:
    seconds = sound.shape[1] // RATE
    return [measures.level(sound[:, s * RATE : (s + 1) * RATE]) for s in range(seconds)]
