"""The improvisation on a held-out piece, compared with the original continuation."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.seeds import derive
from ostinato.scores.midi import midi_bytes
from ostinato.scores.performance import score_of
from ostinato.scores.wav import PEAK, RATE, write_wav
from ostinato.sound.compose.improvise import (
    SEED_SAMPLES,
    Improviser,
    NoNotes,
    beginnings,
    improvise,
)
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report import measures
from ostinato.sound.report.spectra import draw_spectra
from ostinato.sound.transcriber import Transcriber


def candidates(sounds: Sounds, seconds: float, seed: int) -> list[int]:
    """List test pieces to continue, as long as the improvisation if there are any, at random.

    Raises
    ------
    UserError
        When no test piece lasts ten seconds that are not silent.
    """
    tests = beginnings(sounds)
    if not tests:
        raise UserError(
            f"data/held_out: no test piece has {SEED_SAMPLES // RATE} s that are not silent at its "
            "beginning, which an improvisation needs"
        )
    longest = min(int(sounds.samples[tests].max()), SEED_SAMPLES + round(seconds * RATE))
    order = np.random.default_rng(derive(seed, "piece")).permutation(tests).tolist()
    return sorted(order, key=lambda piece: sounds.samples[piece] < longest)


def perform(
    out: Path,
    sounds: Sounds,
    improviser: Improviser,
    transcriber: Transcriber,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Improvise on a held-out piece: ``ID.wav``, ``ID.mid``, ``ID-original.wav``, ``ID.png``.

    Parameters
    ----------
    out : Path
        A folder.
    sounds : Sounds
        The collection.
    improviser : Improviser
    transcriber : Transcriber
        It finds the notes for the MIDI file.
    seconds : float
        The length of the continuation after the first ten seconds.
    seed : int
        Determines the piece and what is drawn.

    Returns
    -------
    dict
        The ``piece``, and what `compare` returns.
    """
    silent = 0
    for piece in candidates(sounds, seconds, seed):
        end = min(int(sounds.samples[piece]), SEED_SAMPLES + round(seconds * RATE))
        true = sounds.piece(piece, 0, end)
        begun = torch.from_numpy(true[:, :SEED_SAMPLES])
        try:
            heard = np.concatenate(list(improvise(improviser, begun, seconds, seed)), 1)
            break
        except NoNotes:
            silent += 1
    else:
        raise UserError(
            f"data/held_out: in {silent} test pieces, no note is heard in 10 s; add others, or "
            "choose a score creator that needs no notes: score_creator.kind: lstm"
        )
    name = sounds.id[piece]
    write_wav(out / f"{name}.wav", heard.T)
    write_wav(out / f"{name}-original.wav", true.T)
    gain = float(PEAK / np.abs(begun.numpy()).max())
    notes = transcriber.transcribe([gain * torch.from_numpy(heard)])
    files.write(out / f"{name}.mid", midi_bytes(score_of(notes, name)))
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
