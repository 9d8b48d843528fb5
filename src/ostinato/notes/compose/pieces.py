"""Pieces: what the stage compose writes, as MIDI, sound and pictures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from ostinato.core import devices, files
from ostinato.core.errors import UserError
from ostinato.core.params import Compose
from ostinato.core.progress import progress, tell
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.compose import around, outline
from ostinato.notes.compose.compose import (
    BLOCK,
    SEED_STEPS,
    Piece,
    chosen_songs,
    compose,
    notes_of,
    score_of,
)
from ostinato.notes.compose.outline import Outline
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import metres_of
from ostinato.notes.data.positions import Bars
from ostinato.notes.data.songs import Songs
from ostinato.notes.system import System
from ostinato.scores import given, picture, plotting, synthesis
from ostinato.scores.grid import with_swing
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo, tidy
from ostinato.scores.wav import write_wav

PIECE_COLUMNS = ["piece", "begins_as", "given", "metre", "steps"]
"""``begins_as`` is the id of the song of which something was given, and ``given`` what; see
`ostinato.scores.given`."""

BEGINNING, BARS = "beginning", "bars"

HOUR_PIECES, HOUR_BARS, HOUR_BAR = 120, 16, Bars(0, 16, 4)
HOUR_PAUSE, HOUR_LENGTH, HOUR_TEMPO = 24, 28_760, 120.0
"""An hour of music: number of pieces, bars of each, the length of these bars; silent steps between
pieces, total number of steps, and the tempo with 4 steps in a beat. A step always lasts 0.125 s."""


def write_pieces(
    out: Path,
    dataset: Path,
    models: Path,
    settings: Compose,
    threads: int,
    device: str,
    seed: int,
) -> None:
    """Compose pieces, write them as MIDI, and list them in ``pieces.csv``.

    A piece swings if the song does of which something is given.

    Parameters
    ----------
    out : Path
        The folder to write into: ``piece-01.mid`` and so on, the first of them also as WAV and
        PNG, and ``hour.mid`` if requested.
    dataset, models : Path
        Folders of the dataset and of the trained models.
    settings : Compose
        The section ``compose`` of params.yaml.
    threads : int
        On the CPU, the number of blocks of pieces that are computed at once, with one thread for
        each.
    device : str
        See `ostinato.core.devices.prepare`.
    seed : int
        The seed in params.yaml.
    """
    firsts = range(0, settings.pieces, BLOCK)
    on_cpu = devices.chosen(device, double=True).type == "cpu"
    blocks = Parallel(min(threads, len(firsts)) if on_cpu else 1, return_as="generator")(
        delayed(_write_block)(out, dataset, models, settings, device, seed, first)
        for first in firsts
    )
    rows = [row for block in progress(blocks, len(firsts), "compose") for row in block]
    files.write_table(out / "pieces.csv", PIECE_COLUMNS, rows)
    if settings.hour:
        computes = devices.prepare(threads, seed, device, double=True)
        writer = system.load(models / "generator", models / "decoder").to(computes)
        songs = Songs(dataset, writer.representation, velocities=True)
        seed, steps_per_beat = derive(seed, "compose"), writer.steps_per_beat
        pieces = compose(
            writer, songs, HOUR_PIECES, HOUR_BARS, settings, seed, HOUR_PIECES, HOUR_BAR
        )
        metre, tempo = Metre(0, 4, 4), Tempo(0, HOUR_TEMPO * 4 / steps_per_beat)
        notes = notes_of(hour_roll(pieces), metre, steps_per_beat, writer.representation)
        score = Score(notes, [Part("Piano")], [metre], [tempo], "An hour of music")
        files.write(out / "hour.mid", midi_bytes(score))


def _write_block(
    out: Path, dataset: Path, models: Path, settings: Compose, device: str, seed: int, first: int
) -> list[dict[str, Any]]:
    """Compose and write pieces of which `first` come before; give their rows of pieces.csv."""
    computes = devices.prepare(1, seed, device, double=True)
    writer = system.load(models / "generator", models / "decoder").to(computes)
    songs = Songs(dataset, writer.representation, velocities=True)
    count = min(BLOCK, settings.pieces - first)
    make = _continued if settings.given == BEGINNING else _written_around
    composed, rows = make(writer, songs, count, settings, derive(seed, "compose"), first), []
    for number, (song, score, known, steps) in enumerate(composed, first + 1):
        name = f"piece-{number:02d}"
        files.write(out / f"{name}.mid", midi_bytes(score))
        if number <= settings.sounds:
            write_wav(out / f"{name}.wav", synthesis.render(score))
            plotting.save(out / f"{name}.png", picture.roll(score, given.mask(score, known)))
        begins_as = songs.id[song]
        row = {"piece": name, "begins_as": begins_as, "given": known, "metre": score.metre}
        rows.append({**row, "steps": steps})
    return rows


Made = Iterator[tuple[int, Score, str, int]]
"""Pieces: the song of each, its score, what was given of the song, and its steps."""


def _continued(
    writer: System, songs: Songs, count: int, settings: Compose, seed: int, first: int
) -> Made:
    """Go on from the beginnings of songs."""
    pieces = compose(writer, songs, count, settings.bars, settings, seed, first=first)
    known = given.before(SEED_STEPS * TICKS_PER_BEAT // writer.steps_per_beat)
    for number, piece in enumerate(pieces, first + 1):
        score = score_of(piece, songs, writer, settings.tempo, f"piece-{number:02d}")
        yield piece.song, score, known, len(piece.roll)


def _written_around(
    writer: System, songs: Songs, count: int, settings: Compose, seed: int, first: int
) -> Made:
    """Write around a voice of songs, or in the middle of them."""
    around.check(writer)
    every = len(songs.of("test"))
    for number in range(first, first + count):
        song, known, piece = _first_that_fits(
            writer,
            songs,
            chosen_songs(songs, every, seed, number).tolist(),
            settings,
            derive(seed, "given", number),
        )
        score = piece.score
        if settings.given == BARS:
            what = given.outside(known.begin, known.end)
        else:
            what = given.part(int(score.notes["part"][piece.given][0]))
        title = f"piece-{number + 1:02d}, {settings.given} of {songs.title[song]}"
        steps = -(-score.end * songs.steps_per_beat // TICKS_PER_BEAT)
        yield song, replace(score, title=title), what, steps


def _first_that_fits(
    writer: System, songs: Songs, candidates: list[int], settings: Compose, seed: int
) -> tuple[int, Outline, around.Piece]:
    """Write around what is given of the first song that has it: a melody, bars in the middle."""
    for song in candidates:
        score, swing = beginning_of(songs, song, settings.bars, settings.tempo), songs.swing[song]
        if swing:
            score = with_swing(score, *swing)
        try:
            if settings.given == BARS:
                outer = len(outline.bar_lines(score)) // 4
                known = outline.gap(score, outer + 1, len(outline.bar_lines(score)) - 1 - outer)
            else:
                known = outline.melody(score, -1 if settings.given == "bass" else 0)
            known = replace(known, swing=swing)
            [piece] = around.sample(
                writer, known, 1, settings.particles, settings.temperature, seed
            )
        except UserError as error:
            tell(f"{songs.title[song]}: {error}")
            continue
        return song, known, piece
    raise UserError(f"compose.given: {settings.given}: no test song fits")


def beginning_of(songs: Songs, song: int, bars: int, tempo: float) -> Score:
    """Write the first bars of a song as a score, in its own parts.

    Parameters
    ----------
    songs : Songs
    song : int
        Its index.
    bars : int
        So many, at most.
    tempo : float
        In quarter notes per minute.

    Returns
    -------
    Score
    """
    ticks = TICKS_PER_BEAT // songs.steps_per_beat
    metres = metres_of(songs.bars[song], songs.steps_per_beat)
    parts = [Part(name, program) for program, name in songs.parts[song]]
    found = songs.song(song)
    notes = np.zeros(len(found), NOTE)
    notes["onset"], notes["length"] = found["onset"] * ticks, found["length"] * ticks
    for name in ("pitch", "velocity", "part"):
        notes[name] = found[name]
    whole = Score(tidy(notes), parts, metres, [Tempo(0, tempo)], songs.title[song])
    end = outline.bar_lines(whole)[: bars + 1][-1]
    notes = whole.notes[whole.notes["onset"] < end]
    notes["length"] = np.minimum(notes["length"], end - notes["onset"])
    return replace(whole, notes=notes, metres=[metre for metre in metres if metre.tick < end])


def hour_roll(pieces: list[Piece]) -> np.ndarray:
    """Join the new steps of pieces, with silence in between, into an hour of music.

    Parameters
    ----------
    pieces : list of Piece
        120 pieces of 256 steps.

    Returns
    -------
    ndarray[int8], shape [28760, 88]
    """
    pause = np.zeros((HOUR_PAUSE, rolls.KEYS), np.int8)
    parts = [part for piece in pieces for part in (piece.roll[SEED_STEPS:], pause)]
    return np.concatenate(parts)[:HOUR_LENGTH]
