"""Training the transcriber on rendered pieces, whose notes are known."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices
from ostinato.core.errors import UserError
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import Sounds
from ostinato.sound.transcriber import HELD, HOP, KEYS, LOWEST, STARTS, Transcriber

CROP = 216 * HOP
"""Samples of a crop: six seconds."""
VALID_CROPS = 64
SOFTEST, LOUDEST = -12.0, 3.0
"""Bounds, in dB, of how much softer or louder a crop is played, since levels of recordings vary."""
STRANGE = 0.2
"""The share of crops that are played by instruments that do not exist, so that more are known."""
MOST_HARMONICS, LEVEL, RELEASE, OUT_OF_TUNE = 8, 0.08, 0.05, 12.0
"""Of such instruments: their harmonics, at most; the amplitude of a note; the seconds in which it
ends; and the standard deviation of their tuning, in cents."""
NEAR_START = 0.5
"""How much an answer just before or after a start should say so: starts lie between answers."""
START_WEIGHT = 4.0
"""How much more the few starts count."""


def transcriber_task(params: Params, folders: list[Path]) -> Task:
    """Prepare the training of the transcriber.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    folders : list of Path
        What functions of `ostinato.sound.data.collection` wrote. Pieces whose notes are known are
        learned.

    Returns
    -------
    Task
    """
    settings = params.transcriber.training
    sounds = Sounds(*folders)
    seed = derive(params.seed, "transcriber")
    config = {"kind": "transcriber", "channels": params.transcriber.channels}
    device = devices.prepare(params.threads, seed, params.device)
    model = Transcriber(config["channels"]).to(device)

    known = {
        split: [piece for piece in sounds.of(split) if sounds.notes(piece) is not None]
        for split in ("train", "valid")
    }
    for split, pieces in known.items():
        if not pieces:
            raise UserError(f"data/corpus: no {split} song, whose notes could be learned")

    def crops(split: str, count: int, *names: str | int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng(derive(seed, split, *names))
        pieces = known[split]
        lengths = sounds.samples[pieces]
        which = rng.choice(len(pieces), count, p=lengths / lengths.sum())
        made = [_crop(sounds, pieces[piece], rng) for piece in which.tolist()]
        samples, true = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
        weight = torch.ones_like(true)
        weight[..., STARTS] += START_WEIGHT * true[..., STARTS]
        return samples, true, weight

    valid = [
        tuple(part.to(device) for part in crops("valid", settings.batch, number))
        for number in range(-(-VALID_CROPS // settings.batch))
    ]

    @torch.no_grad()
    def validate(part: int) -> tuple[float, float]:
        return model.eval()(*valid[part]).item(), settings.batch

    return Task(
        what="transcriber",
        model=model,
        config=config,
        batch=lambda step: crops("train", settings.batch, step),
        validate=validate,
        parts=len(valid),
        settings=settings,
        seed=seed,
        # songs.csv has a hash of each piece's samples.
        inputs=[folder / name for folder in folders for name in ("songs.csv", "notes.npy")],
    )


def _crop(sounds: Sounds, piece: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a crop of a piece: its samples, in one channel, and what should be found in it."""
    length = int(sounds.samples[piece])
    first = int(rng.integers(max(1, length - CROP)))
    notes = sounds.notes(piece)
    if rng.random() < STRANGE:
        samples = strange(notes, first, rng)
    else:
        samples = sounds.piece(piece, first, min(CROP, length - first)).mean(0)
        samples = np.pad(samples, (0, CROP - len(samples)))
    gain = 10 ** (rng.uniform(SOFTEST, LOUDEST) / 20)
    return np.float32(gain) * samples, answers(notes, first, CROP // HOP + 1)


def strange(notes: np.ndarray, first: int, rng: np.random.Generator) -> np.ndarray:
    """Play notes with an instrument that does not exist, out of tune, in noise.

    Parameters
    ----------
    notes : ndarray[PLAYED]
    first : int
        The first sample of the crop.
    rng : Generator
        What the instrument is like: one to eight harmonics, how fast a note begins, and whether it
        fades.

    Returns
    -------
    ndarray[float32], shape [CROP]
    """
    harmonics = np.arange(1, rng.integers(1, MOST_HARMONICS + 1) + 1)
    levels = harmonics ** -rng.uniform(0, 2) * np.exp(rng.normal(0, 0.5, len(harmonics)))
    levels *= LEVEL / np.sqrt(np.square(levels).sum())
    begins, fades = rng.uniform(0.003, 0.06), rng.choice([0, 1 / rng.uniform(0.1, 3)])
    tuning = 2 ** (rng.normal(0, OUT_OF_TUNE) / 1200)
    noise = LEVEL * 10 ** rng.uniform(-3, -1.5)
    sound = noise * rng.standard_normal(CROP)
    starts, ends = (notes[name] * RATE - first for name in ("start", "end"))
    for start, end, pitch in zip(starts, ends, notes["pitch"].tolist(), strict=True):
        begin, last = max(0, round(start)), min(CROP, round(end + RELEASE * RATE))
        if begin >= last:
            continue
        time = (np.arange(begin, last) - start) / RATE
        envelope = np.clip(time / begins, 0, 1) * np.exp(-fades * time)
        envelope *= np.clip(1 - (time - (end - start) / RATE) / RELEASE, 0, 1)
        frequency = tuning * 440 * 2 ** ((pitch - 69) / 12)
        heard = harmonics[harmonics * frequency < RATE / 2]
        waves = np.sin(2 * np.pi * frequency * heard[:, None] * time)
        sound[begin:last] += envelope * (levels[: len(heard)] @ waves)
    return sound.astype(np.float32)


def answers(notes: np.ndarray, first: int, count: int) -> np.ndarray:
    """Say what should be found.

    Parameters
    ----------
    notes : ndarray[PLAYED]
    first : int
        The sample at which the first answer is centred.
    count : int
        The number of answers.

    Returns
    -------
    ndarray[float32], shape [count, 88, 2]
        Whether a note starts, and whether it is held.
    """
    found = np.zeros((count, KEYS, 2), np.float32)
    starts, ends = (
        np.rint((notes[name] * RATE - first) / HOP).astype(int) for name in ("start", "end")
    )
    keys = notes["pitch"].astype(int) - LOWEST
    inside = (keys >= 0) & (keys < KEYS) & (ends > 0) & (starts < count)
    for start, end, key in zip(starts[inside], ends[inside], keys[inside], strict=True):
        found[max(0, start) : end, key, HELD] = 1
        for time, much in ((start - 1, NEAR_START), (start + 1, NEAR_START), (start, 1.0)):
            if 0 <= time < count:
                found[time, key, STARTS] = max(found[time, key, STARTS], much)
    return found
