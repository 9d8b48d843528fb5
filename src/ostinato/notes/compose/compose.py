"""Composing: a system continues the beginnings of songs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ostinato.core import files, noise, training
from ostinato.core.errors import UserError
from ostinato.core.params import Compose
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.compose.learning import continue_learning
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import quantise
from ostinato.notes.data.fragments import FRAGMENT, window
from ostinato.notes.data.songs import Songs
from ostinato.notes.performer import VELOCITY
from ostinato.notes.system import System
from ostinato.scores import picture, plotting, synthesis
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo, tidy
from ostinato.scores.wav import write_wav

SEED_STEPS = 16
"""Number of steps of a song with which each piece begins."""

BLOCK = 16
"""Number of pieces that `compose` computes together, unless told otherwise."""

PIECE_COLUMNS = ["piece", "begins_as", "metre", "steps"]

HOUR_PIECES, HOUR_STEPS, HOUR_PAUSE, HOUR_LENGTH = 120, 240, 24, 28_760
HOUR_TEMPO = 120.0
"""An hour of music: number of pieces, new steps in each, silent steps between them, total number
of steps, and the tempo with 4 steps in a beat. A step always lasts 0.125 s."""


@dataclass(frozen=True)
class Piece:
    """A composed piece.

    Attributes
    ----------
    song : int
        Index of the song with whose first 16 steps it begins.
    roll : ndarray[uint8], shape [16 + steps, 88]
        MIDI velocities, 0 where no key is played.
    """

    song: int
    roll: np.ndarray


def write_pieces(
    out: Path,
    dataset: Path,
    models: Path,
    settings: Compose,
    threads: int,
    seed: int,
) -> None:
    """Compose pieces, write each as MIDI, WAV and picture, and list them in ``pieces.csv``.

    Parameters
    ----------
    out : Path
        The folder to write into: ``piece-01.mid`` and so on, and ``hour.mid`` if requested.
    dataset, models : Path
        Folders of the dataset and of the trained models.
    settings : Compose
        The section ``compose`` of params.yaml.
    threads : int
        Number of threads per operation.
    seed : int
        The seed in params.yaml.
    """
    training.prepare(threads, seed)
    writer = system.load(models / "generator", models / "decoder")
    songs = Songs(dataset, "holding" if writer.holding else "onset", velocities=True)
    seed = derive(seed, "compose")
    pieces = compose(writer, songs, settings.pieces, settings.steps, settings, seed)
    rows, steps_per_beat = [], writer.steps_per_beat
    for number, piece in enumerate(progress(pieces, len(pieces), "render"), 1):
        name = f"piece-{number:02d}"
        metre = main_metre(songs.metre[piece.song])
        title = f"{name}, beginning as {songs.title[piece.song]}"
        notes = notes_of(piece.roll, metre, steps_per_beat, writer.holding)
        score = Score(notes, [Part("Piano")], [metre], [Tempo(0, settings.tempo)], title)
        files.write(out / f"{name}.mid", midi_bytes(score))
        write_wav(out / f"{name}.wav", synthesis.render(score))
        plotting.save(out / f"{name}.png", picture.roll(score, SEED_STEPS, steps_per_beat))
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
        pieces = compose(writer, songs, HOUR_PIECES, HOUR_STEPS, settings, seed, HOUR_PIECES)
        metre, tempo = Metre(0, 4, 4), Tempo(0, HOUR_TEMPO * 4 / steps_per_beat)
        notes = notes_of(hour_roll(pieces), metre, steps_per_beat, writer.holding)
        score = Score(notes, [Part("Piano")], [metre], [tempo], "An hour of music")
        files.write(out / "hour.mid", midi_bytes(score))


def main_metre(metres: str) -> Metre:
    """Parse the first of a song's time signatures, as listed in songs.csv."""
    beats, unit = metres.split()[0].split("/")
    return Metre(0, int(beats), int(unit))


def compose(
    system: System,
    songs: Songs,
    pieces: int,
    steps: int,
    settings: Compose,
    seed: int,
    block: int = BLOCK,
) -> list[Piece]:
    """Compose pieces, each of which continues the beginning of a test song.

    Piece i has its own random numbers, and is the same however many pieces are composed. Without
    learning, pieces are always computed in blocks of the same size, since rounding depends on the
    sizes of the matrices.

    Parameters
    ----------
    system : System
        Trained.
    songs : Songs
        The dataset in the system's representation, with velocities. Its test songs are taken in a
        random order, starting over if there are more pieces than songs.
    pieces, steps : int
        Number of pieces, and number of new steps in each.
    settings : Compose
        Temperature and learning.
    seed : int
        Seed for the order of the songs and for all draws.
    block : int
        Number of pieces that are computed together.

    Returns
    -------
    list of Piece
    """
    tests = songs.of("test")
    order = np.random.default_rng(derive(seed, "songs")).permutation(tests)
    rows = np.zeros(pieces, FRAGMENT)
    rows["song"] = order[np.arange(pieces) % len(order)]
    begun = window(songs, rows, SEED_STEPS, 1, rolls.KEYS).notes
    if not system.performer.velocity:
        begun = (begun > 0) * VELOCITY
    shape = (SEED_STEPS + steps, system.num_uniforms)
    parts = []
    for first in range(0, pieces, block if settings.learning == "none" else 1):
        if settings.learning == "none":
            # The last block is filled up by repeating its pieces: rows of something else might
            # never end, and would keep the others waiting.
            rows_of = [first + i % min(block, pieces - first) for i in range(block)]
            uniforms = torch.stack([noise.uniforms(shape, seed, "piece", i) for i in rows_of])
            parts.append(
                continue_keys(system, begun[rows_of], steps, settings.temperature, uniforms)
            )
        else:
            uniforms = noise.uniforms(shape, seed, "piece", first)[None]
            one, own = begun[first : first + 1], derive(seed, "learning", first)
            parts.append(continue_learning(system, one, steps, settings, uniforms, own))
    played = midi_velocities(torch.cat(parts)[:pieces])
    return [Piece(int(song), roll) for song, roll in zip(rows["song"], played, strict=True)]


@torch.inference_mode()
def continue_keys(
    system: System, begun: Tensor, steps: int, temperature: float, uniforms: Tensor
) -> Tensor:
    """Continue what was played. States, history and step numbers start at zero.

    Parameters
    ----------
    system : System
        Trained.
    begun : Tensor[B, S, 88]
        Given velocities, from the first step of a piece.
    steps : int
        Number of new steps.
    temperature : float
        At 0, the most probable outcome is always taken.
    uniforms : Tensor[B, S + steps, num_uniforms]
        Random numbers in [0, 1).

    Returns
    -------
    Tensor[B, S + steps, 88]
        Velocities, the given ones first.
    """
    batch, given = begun.shape[:2]
    silence = begun.new_zeros(batch, system.context_length, rolls.KEYS)
    state = system.initial(silence, torch.zeros(batch, dtype=torch.int64, device=begun.device))
    state = system.follow(begun, state, uniforms[:, :given])
    played = [begun]
    for step in progress(range(given, given + steps), steps, "compose"):
        now, state = system.step(state, uniforms[:, step : step + 1], temperature)
        played.append(now)
    return torch.cat(played, 1)


def notes_of(roll: np.ndarray, metre: Metre, steps_per_beat: int, holding: bool) -> np.ndarray:
    """Turn a roll into the notes of a score.

    Parameters
    ----------
    roll : ndarray[uint8], shape [steps, 88]
        MIDI velocities, 0 where no key is played.
    metre : Metre
        The time signature of the whole piece.
    steps_per_beat : int
        Number of steps in a quarter note.
    holding : bool
        Whether a key is marked at every step at which it sounds. Otherwise only onsets are marked,
        and a note sounds until the next onset of any key, for at most one bar.

    Returns
    -------
    ndarray[NOTE]
    """
    ticks = TICKS_PER_BEAT // steps_per_beat
    sounds = np.pad(roll > 0, ((1, 1), (0, 0)))
    if holding:
        keys, begins = np.nonzero((sounds[1:] & ~sounds[:-1]).T)
        ends = np.nonzero((sounds[:-1] & ~sounds[1:]).T)[1]
        lengths = (ends - begins) * ticks
    else:
        begins, keys = np.nonzero(roll)
        struck = np.append(np.flatnonzero(roll.any(1)), len(roll))
        ends = struck[np.searchsorted(struck, begins, "right")]
        lengths = np.minimum((ends - begins) * ticks, metre.bar)
    notes = np.zeros(len(keys), NOTE)
    notes["onset"], notes["length"] = begins * ticks, lengths
    notes["pitch"], notes["velocity"] = keys + rolls.LOWEST, roll[begins, keys]
    return tidy(notes)


def continue_score(system: System, score: Score, bars: int, temperature: float, seed: int) -> Score:
    """Continue a score from the bar after its last note.

    Parameters
    ----------
    system : System
        Trained. It hears the whole score, quantised to its own grid.
    score : Score
        The score to continue. It is kept as it is; the new notes follow it, in a new piano part.
    bars : int
        Number of new bars.
    temperature : float
        At 0, the most probable outcome is always taken.
    seed : int
        Seed for the random numbers.

    Returns
    -------
    Score

    Raises
    ------
    UserError
        If the score has no pitched notes.
    """
    if not len(score.pitched):
        raise UserError("there are no notes to go on from")
    ticks = TICKS_PER_BEAT // system.steps_per_beat
    end = int((score.notes["onset"] + score.notes["length"]).max())
    metre = [metre for metre in score.metres if metre.tick < end][-1]
    bar = max(metre.bar // ticks, 1)
    given = metre.tick // ticks + -(-(end - metre.tick) // (bar * ticks)) * bar
    heard = quantise(score, system.steps_per_beat)
    roll = rolls.render_roll(heard, 0, given, holding=system.holding)
    begun = torch.from_numpy(roll / np.float32(128))[None]
    uniforms = noise.uniforms((1, given + bars * bar, system.num_uniforms), seed, "continue")
    played = midi_velocities(continue_keys(system, begun, bars * bar, temperature, uniforms))
    new = notes_of(played[0, given:], metre, system.steps_per_beat, system.holding)
    new["onset"] += given * ticks
    new["part"] = len(score.parts)
    notes = tidy(np.concatenate([score.notes, new]))
    parts = [*score.parts, Part("Continuation")]
    return Score(notes, parts, score.metres, score.tempi, score.title)


def midi_velocities(velocities: Tensor) -> np.ndarray:
    """Convert velocities divided by 128 to MIDI velocities: Tensor[...] to ndarray[uint8]."""
    whole = (velocities * 128 + 0.5).floor().clamp(1, 127)
    return torch.where(velocities > 0, whole, 0).cpu().numpy().astype(np.uint8)


def hour_roll(pieces: list[Piece]) -> np.ndarray:
    """Join the new steps of pieces, with silence in between, into an hour of music.

    Parameters
    ----------
    pieces : list of Piece
        120 pieces with 240 new steps each.

    Returns
    -------
    ndarray[uint8], shape [28760, 88]
    """
    pause = np.zeros((HOUR_PAUSE, rolls.KEYS), np.uint8)
    parts = [part for piece in pieces for part in (piece.roll[SEED_STEPS:], pause)]
    return np.concatenate(parts)[:HOUR_LENGTH]
