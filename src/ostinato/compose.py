"""Composing: a generator and a decoder go on from the beginnings of songs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato import decoders, files, rolls, training
from ostinato.audio import synthesis
from ostinato.errors import UserError
from ostinato.evaluation import plots
from ostinato.fragments import FRAGMENT, window
from ostinato.generator import Generator
from ostinato.models import read_model
from ostinato.params import Compose
from ostinato.progress import progress
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo, tidy
from ostinato.seeds import derive
from ostinato.songs import Songs

SEED_STEPS = 16
"""Steps of a song that a piece begins with."""
VELOCITY = 80

BLOCK = 120
"""Pieces that are always computed together."""
PIECE_COLUMNS = ["piece", "begins_as", "metre", "steps"]

HOUR_PIECES, HOUR_STEPS, HOUR_PAUSE, HOUR_LENGTH = 120, 240, 24, 28_760
HOUR_TEMPO = 120.0
"""An hour of music: pieces, new steps of each, silent steps between, length of all; a quarter of
a beat lasts 0.125 s."""


@dataclass(frozen=True)
class Piece:
    """A composed piece.

    Attributes
    ----------
    song : int
        The song whose first 16 steps it begins with.
    roll : ndarray[uint8], shape [16 + steps, 88]
        Onsets.
    """

    song: int
    roll: np.ndarray


def write_pieces(
    out: Path,
    dataset: Path,
    models: Path,
    settings: Compose,
    steps_per_beat: int,
    threads: int,
    seed: int,
) -> None:
    """Compose and write each piece as MIDI, WAV and picture, and ``pieces.csv``.

    Parameters
    ----------
    out : Path
        A folder; ``piece-01.mid`` and so on, and ``hour.mid`` if that is asked for.
    dataset, models : Path
        Folders of the dataset and of the trained models.
    settings : Compose
        The section of params.yaml.
    steps_per_beat : int
        Steps in a quarter note.
    threads : int
        Threads of one operation.
    seed : int
        The seed in params.yaml.
    """
    training.prepare(threads, seed)
    songs = Songs(dataset)
    generator, decoder = load_models(models)
    seed = derive(seed, "compose")
    pieces = compose(
        generator, decoder, songs, settings.pieces, settings.steps, settings.temperature, seed
    )
    rows = []
    for number, piece in enumerate(progress(pieces, len(pieces), "render"), 1):
        name = f"piece-{number:02d}"
        metre = main_metre(songs.metre[piece.song])
        title = f"{name}, beginning as {songs.title[piece.song]}"
        score = score_of(piece.roll, metre, settings.tempo, steps_per_beat, title)
        files.write(out / f"{name}.mid", midi_bytes(score))
        synthesis.write_wav(out / f"{name}.wav", synthesis.render(score))
        plots.save(out / f"{name}.png", plots.roll(score, SEED_STEPS, steps_per_beat))
        rows.append(
            {
                "piece": name,
                "begins_as": songs.id[piece.song],
                "metre": str(metre),
                "steps": len(piece.roll),
            }
        )
    files.write_table(out / "pieces.csv", PIECE_COLUMNS, rows)
    if settings.hour:
        pieces = compose(
            generator, decoder, songs, HOUR_PIECES, HOUR_STEPS, settings.temperature, seed
        )
        tempo = HOUR_TEMPO * 4 / steps_per_beat
        score = score_of(
            hour_roll(pieces), Metre(0, 4, 4), tempo, steps_per_beat, "An hour of music"
        )
        files.write(out / "hour.mid", midi_bytes(score))


def main_metre(metres: str) -> Metre:
    """Read the first of the time signatures that songs.csv names."""
    beats, unit = metres.split()[0].split("/")
    return Metre(0, int(beats), int(unit))


def load_models(models: Path) -> tuple[Generator, nn.Module]:
    """Build the trained generator and decoder from the folder of all models."""
    return _load(models / "generator", Generator), _load(
        models / "decoder", lambda config: decoders.build(config["decoder"])
    )


def _load(folder: Path, build: Callable[[dict[str, Any]], nn.Module]) -> Any:
    config, weights = read_model(folder)
    model = build(config)
    model.load_state_dict(weights)
    return model.eval()


def compose(
    generator: Generator,
    decoder: nn.Module,
    songs: Songs,
    pieces: int,
    steps: int,
    temperature: float,
    seed: int,
) -> list[Piece]:
    """Compose pieces, all together, each from the beginning of another test song.

    Piece i has random numbers of its own, and is the same however many pieces are made: the models
    always compute blocks of 120, since rounding depends on the size of a matrix product.

    Parameters
    ----------
    generator, decoder
        Trained models.
    songs : Songs
        The dataset; songs for testing are taken in an order that the seed decides, again from the
        first when there are more pieces than songs.
    pieces, steps : int
        How many, and how many new steps each.
    temperature : float
        Of generator and decoder.
    seed : int
        Decides songs and decisions.

    Returns
    -------
    list of Piece
    """
    tests = songs.of("test")
    order = np.random.default_rng(derive(seed, "songs")).permutation(tests)
    rows = np.zeros(pieces, FRAGMENT)
    rows["song"] = order[np.arange(pieces) % len(order)]
    begun = window(songs, rows, SEED_STEPS, 1, rolls.KEYS).notes
    draws = generator.draws + decoder.draws
    uniforms = torch.stack(
        [training.uniforms((SEED_STEPS + steps, draws), seed, "piece", i) for i in range(pieces)]
    )
    blocks = [
        continue_keys(
            generator, decoder, _whole_block(one), steps, temperature, _whole_block(other)
        )
        for one, other in zip(begun.split(BLOCK), uniforms.split(BLOCK), strict=True)
    ]
    played = torch.cat(blocks).numpy().astype(np.uint8)[:pieces]
    return [Piece(int(song), roll) for song, roll in zip(rows["song"], played, strict=True)]


def _whole_block(rows: Tensor) -> Tensor:
    """Append rows of zeros to make a whole block."""
    return torch.cat([rows, rows.new_zeros(BLOCK - len(rows), *rows.shape[1:])])


@torch.inference_mode()
def continue_keys(
    generator: Generator,
    decoder: nn.Module,
    begun: Tensor,
    steps: int,
    temperature: float,
    uniforms: Tensor,
) -> Tensor:
    """Go on from what was played; states, history and time begin at zero.

    Parameters
    ----------
    generator, decoder
        Trained models.
    begun : Tensor[B, S, 88]
        Onsets given, from the first step of a piece.
    steps : int
        New steps.
    temperature : float
        Of generator and decoder.
    uniforms : Tensor[B, S + steps, draws of both]
        Random numbers in [0, 1).

    Returns
    -------
    Tensor[B, S + steps, 88]
        Onsets, the given ones first.
    """
    if generator.keys != rolls.CLASSES:
        raise UserError(f"the generator writes {generator.keys} keys, the decoder reads 12")
    batch, given = begun.shape[:2]
    for_notes, for_keys = uniforms.split([generator.draws, decoder.draws], -1)
    state = generator.initial(
        begun.new_zeros(batch, generator.reach, generator.keys),
        torch.zeros(batch, dtype=torch.int64),
    )
    octaves = decoder.initial(torch.zeros_like(begun[:, :1]))
    _, state = generator.loss(decoder.classes(begun), state, for_notes[:, :given])
    octaves = decoder.follow(begun, octaves)
    played = [begun]
    for step in progress(range(given, given + steps), steps, "compose"):
        now = slice(step, step + 1)
        classes, state = generator.step(state, for_notes[:, now], temperature)
        keys, octaves = decoder.sample(classes, octaves, for_keys[:, now], temperature)
        played.append(keys)
    return torch.cat(played, 1)


def score_of(
    roll: np.ndarray, metre: Metre, tempo: float, steps_per_beat: int, title: str
) -> Score:
    """Turn a roll of onsets into a score.

    A note sounds until the next onset of any key, one bar at most.

    Parameters
    ----------
    roll : ndarray, shape [steps, 88]
        1 where a key is struck.
    metre : Metre
        Of the whole piece.
    tempo : float
        Quarter notes a minute.
    steps_per_beat : int
        Steps in a quarter note.
    title : str
        Its name.

    Returns
    -------
    Score
    """
    ticks = TICKS_PER_BEAT // steps_per_beat
    struck = np.flatnonzero(roll.any(1))
    ends = np.append(struck[1:], len(roll))
    lengths = np.minimum((ends - struck) * ticks, metre.bar)
    rows = [
        (step * ticks, length, key + rolls.LOWEST, VELOCITY, 0)
        for step, length in zip(struck.tolist(), lengths.tolist(), strict=True)
        for key in np.flatnonzero(roll[step]).tolist()
    ]
    notes = tidy(np.array(rows, NOTE))
    return Score(notes, [Part("Piano")], [metre], [Tempo(0, tempo)], title)


def hour_roll(pieces: list[Piece]) -> np.ndarray:
    """Join the new steps of pieces, with silence between, into an hour of music.

    Parameters
    ----------
    pieces : list of Piece
        120 with 240 new steps each.

    Returns
    -------
    ndarray[uint8], shape [28760, 88]
    """
    pause = np.zeros((HOUR_PAUSE, rolls.KEYS), np.uint8)
    parts = [part for piece in pieces for part in (piece.roll[SEED_STEPS:], pause)]
    return np.concatenate(parts)[:HOUR_LENGTH]
