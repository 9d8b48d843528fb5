"""Training the player on pieces whose notes are known, or were found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning_fabric.utilities import move_data_to_device

from ostinato.core import devices, models
from ostinato.core.errors import UserError
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task
from ostinato.scores.wav import RATE
from ostinato.sound.data.frames import played_in
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import tones
from ostinato.sound.parts.listening import Example, listen
from ostinato.sound.parts.score_creator import PACKAGE
from ostinato.sound.parts.tones import HOP, KEYS, LOW, LOWEST, WINDOW, Notes, Tones

PLAYER = "player"
"""The score creator that this trains; the others draw frames."""
GIVEN, PLAYED = 360, 108
"""Hops that are heard, ten seconds, and hops that are played, three seconds."""
VALID_EXAMPLES = 48
MISSED, MISTAKEN = 0.08, 0.03
"""Shares of the heard notes that are left out and that are taken for those an octave higher, as a
transcriber does."""
EARLY_OR_LATE = 0.3, 1.0
"""Standard deviations of the errors of their starts and ends, in hops."""
NOISY, FAINTEST, LOUDEST, STEEPEST = 0.3, -55.0, -20.0, 2.0
"""The share of examples with noise, as recordings have it; bounds of its level against the sound,
in dB; and the most by which its power falls, as a power of frequency."""
LAST = 8
"""So many hops before the end of what is heard, no note begins that is measured."""
FEWEST, MOST, SHORTEST = 3, 400, 10
"""An example needs so many heard notes; it has as many as these, and as many that are played, at
most; and a piece needs so many seconds."""
ENOUGH = 300
"""If so many examples for each that is wanted have too few notes or too many, that is said."""


def player_task(params: Params, audio: Path, frames: Path) -> Task:
    """Prepare the training of the player.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    audio : Path
        What a function of `ostinato.sound.data.collection` wrote.
    frames : Path
        What `ostinato.sound.data.frames.build` wrote.

    Returns
    -------
    Task

    Raises
    ------
    UserError
        If no piece of a split is long enough and has notes.
    """
    settings = params.score_creator_training
    seed = derive(params.seed, "score_creator")
    sounds, played, geometry = Sounds(audio), played_in(frames), Tones()
    config = {"kind": "score_creator", "score_creator": params.config("score_creators")}
    device = devices.prepare(params.threads, seed, params.device)
    model = models.build(PACKAGE, config["score_creator"]).to(device)

    learnable = {
        split: [i for i in sounds.of(split) if _learnable(sounds, i, played)]
        for split in ("train", "valid")
    }
    for split, pieces in learnable.items():
        if not pieces:
            raise UserError(
                f"data/audio: no {split} piece of {SHORTEST} s has {FEWEST} notes; add others"
            )

    def examples(split: str, count: int, *names: str | int) -> list[Example]:
        rng = np.random.default_rng(derive(seed, split, *names))
        pieces = learnable[split]
        lengths = sounds.samples[pieces]
        found: list[Example] = []
        missed = 0
        while len(found) < count:
            piece = pieces[rng.choice(len(pieces), p=lengths / lengths.sum())]
            example = _example(sounds, piece, played[sounds.id[piece]], geometry, rng)
            if example is not None:
                found.append(example)
            missed += example is None
            if missed == ENOUGH * count:
                raise UserError(f"data/audio: hardly any notes in {split} pieces; add others")
        return found

    valid = [
        move_data_to_device(examples("valid", settings.batch, number), device)
        for number in range(-(-VALID_EXAMPLES // settings.batch))
    ]

    @torch.no_grad()
    def validate(part: int) -> tuple[float, float]:
        return model.eval()(valid[part]).item(), settings.batch

    return Task(
        what="score creator",
        model=model,
        config=config,
        batch=lambda step: (examples("train", settings.batch, step),),
        validate=validate,
        parts=len(valid),
        share=lambda arguments, rows: (arguments[0][rows],),
        settings=settings,
        seed=seed,
        inputs=[audio / "songs.csv", frames / "songs.csv", frames / "notes.npy"],
    )


def _learnable(sounds: Sounds, piece: int, played: dict[str, np.ndarray]) -> bool:
    """Whether a piece is long enough and has notes."""
    keys = played[sounds.id[piece]]["pitch"].astype(int) - LOWEST
    inside = (keys >= 0) & (keys < KEYS)
    return bool(sounds.samples[piece] >= SHORTEST * RATE and inside.sum() >= FEWEST)


def _example(
    sounds: Sounds, piece: int, every: np.ndarray, geometry: Tones, rng: np.random.Generator
) -> Example | None:
    """Draw what is heard of a piece and what is played; None if one of them has too few notes."""
    length = int(sounds.samples[piece]) // HOP
    given = int(rng.integers(max(1, length - GIVEN)))
    first = int(rng.integers(max(1, length - PLAYED)))
    every = every[(every["pitch"] >= LOWEST) & (every["pitch"] < LOWEST + KEYS)]
    starts, ends = (every[name] * RATE / HOP for name in ("start", "end"))
    heard = (starts > given - 1) & (starts < given + GIVEN - LAST)
    heard &= rng.random(len(every)) > MISSED
    wanted = (starts < first + PLAYED + tones.BEFORE) & (ends + tones.TAIL > first)
    if not FEWEST <= heard.sum() <= MOST or not 0 < wanted.sum() <= MOST:
        return None
    keys = every["pitch"].astype(np.int64) - LOWEST
    octave = 12 * ((rng.random(len(every)) < MISTAKEN) & (keys < KEYS - 12))
    errors = rng.standard_normal((2, len(every))) * np.array(EARLY_OR_LATE)[:, None]
    begin = starts + errors[0]
    end = np.maximum(ends + errors[1], begin + 1)
    sound = sounds.piece(piece, given * HOP, GIVEN * HOP).mean(0)
    noise = _noise(sound, rng)
    listened = listen(
        geometry,
        torch.from_numpy(sound + noise(len(sound))),
        _notes((keys + octave)[heard], (begin - given)[heard], (end - given)[heard]),
    )
    # There is silence before a piece and after it.
    begun, size = first * HOP - WINDOW // 2, (PLAYED - 1) * HOP + WINDOW
    sound = sounds.piece(piece, max(0, begun), size + min(0, begun)).mean(0)
    sound = np.pad(sound, (max(0, -begun), 0))
    sound = np.pad(sound, (0, size - len(sound))) + noise(size)
    power = geometry.power(torch.from_numpy(sound))
    notes = _notes(keys[wanted], (starts - first)[wanted], (ends - first)[wanted])
    return Example(listened, notes, power / listened.level.exp())


def _noise(sound: np.ndarray, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Draw a kind of noise, or none: from a number of samples to ndarray[float32]."""
    level = np.sqrt(np.square(sound).mean()) * 10 ** (rng.uniform(FAINTEST, LOUDEST) / 20)
    steep, noisy = rng.uniform(0, STEEPEST), rng.random() < NOISY

    def noise(count: int) -> np.ndarray:
        if not noisy:
            return np.zeros(count, np.float32)
        white = np.fft.rfft(rng.standard_normal(count))
        white *= np.maximum(np.arange(len(white)) * RATE / count, LOW) ** (-steep / 2)
        made = np.fft.irfft(white, count)
        return (made * (level / np.sqrt(np.square(made).mean()))).astype(np.float32)

    return noise


def _notes(keys: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Notes:
    return Notes(torch.from_numpy(keys), *(torch.from_numpy(x).float() for x in (starts, ends)))
