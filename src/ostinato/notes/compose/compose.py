"""Composing: a system continues the beginnings of songs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ostinato.core import devices, noise
from ostinato.core.categorical import draw_at
from ostinato.core.errors import UserError
from ostinato.core.params import Compose
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.notes.compose import voices
from ostinato.notes.compose.bands import by_height, drums_again
from ostinato.notes.compose.learning import continue_learning
from ostinato.notes.compose.voices import Voices
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import quantise, whole_bars
from ostinato.notes.data.fragments import FRAGMENT, window
from ostinato.notes.data.positions import FINAL, Bars, Positions
from ostinato.notes.data.songs import Songs
from ostinato.notes.performer import VELOCITY, keys_of
from ostinato.notes.system import System
from ostinato.scores.grid import with_swing
from ostinato.scores.parts import instrument
from ostinato.scores.score import (
    NOTE,
    TICKS_PER_BEAT,
    Metre,
    Part,
    Score,
    Tempo,
    tidy,
    voices_of,
)

SEED_STEPS = 16
"""Number of steps of a song with which each piece begins."""

HEARD = 256
"""Number of given steps, the last ones, that tell the final."""

BLOCK = 16
"""Number of pieces that `compose` computes together, unless told otherwise."""


@dataclass(frozen=True)
class Piece:
    """A composed piece.

    Attributes
    ----------
    song : int
        Index of the song with whose first 16 steps it begins.
    roll : ndarray[int8], shape [steps, 88]
        MIDI velocities, 0 where no key is played, in the representation of the system.
    """

    song: int
    roll: np.ndarray


def score_of(piece: Piece, songs: Songs, system: System, tempo: float, name: str) -> Score:
    """Turn a piece into a score, in the metre, the voices and the swing of the song it begins as.

    Parameters
    ----------
    piece : Piece
    songs : Songs
        The dataset.
    system : System
        What composed it.
    tempo : float
        In quarter notes per minute.
    name : str
        Of the piece, for its title.

    Returns
    -------
    Score
    """
    metre = main_metre(songs.metre[piece.song])
    notes = notes_of(piece.roll, metre, system.steps_per_beat, system.representation)
    if sung := songs.voices[piece.song]:
        parts = [Part(each or f"Voice {i}", program) for i, (program, each) in enumerate(sung, 1)]
        notes = in_parts(notes, voices.silent(len(sung)), list(range(len(sung))))
    else:
        parts = [_alone(songs.parts[piece.song])]
    title = f"{name}, beginning as {songs.title[piece.song]}"
    score = Score(notes, parts, [metre], [Tempo(0, tempo)], title)
    swing = songs.swing[piece.song]
    return with_swing(score, *swing) if swing else score


def _alone(parts: Sequence[tuple[int, str]]) -> Part:
    """Choose the instrument of all notes of a piece: that of all parts of its song, or a piano."""
    programs = {program for program, _ in parts}
    part = Part(program=programs.pop() if len(programs) == 1 else 0)
    return replace(part, name=instrument(part) if part.program else "Piano")


def main_metre(metres: str) -> Metre:
    """Parse the first of a song's time signatures, as listed in songs.csv."""
    beats, unit = metres.split()[0].split("/")
    return Metre(0, int(beats), int(unit))


def compose(
    system: System,
    songs: Songs,
    pieces: int,
    bars: int,
    settings: Compose,
    seed: int,
    block: int = BLOCK,
    bar: Bars | None = None,
    first: int = 0,
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
    pieces, bars : int
        Number of pieces, and number of bars in each, the beginning included.
    settings : Compose
        Temperature and learning.
    seed : int
        Seed for the order of the songs and for all draws.
    block : int
        Number of pieces that are computed together.
    bar : Bars, optional
        The bars of all pieces; by default, each has those that its song begins with.
    first : int
        Number of pieces that are left out, before these.

    Returns
    -------
    list of Piece
    """
    rows = np.zeros(pieces, FRAGMENT)
    numbers = range(first, first + pieces)
    rows["song"] = chosen_songs(songs, pieces, seed, first)
    device = devices.device_of(system)
    begun = window(songs, rows, SEED_STEPS, 1, rolls.KEYS).notes.to(device)
    if not system.performer.velocity:
        begun = begun.sign() * VELOCITY
    first_bars = [bar or songs.bars[song][0] for song in rows["song"]]
    # At least one bar is new.
    plans = [
        Positions([one], max(bars * one.bar, SEED_STEPS + 1), _first(songs, int(song)))
        for one, song in zip(first_bars, rows["song"], strict=True)
    ]
    steps = max(plan.steps for plan in plans)
    positions = torch.from_numpy(np.stack([plan(0, steps) for plan in plans]))
    shape = (steps, system.num_uniforms)
    parts = []
    alone = settings.learning != "none"
    block = 1 if alone else block
    for begin in range(0, pieces, block):
        # The last block is filled up by repeating its pieces: rows of something else might never
        # end, and would keep the others waiting.
        rows_of = [begin + i % min(block, pieces - begin) for i in range(block)]
        drawn = [numbers[i] for i in rows_of]
        uniforms = torch.stack([noise.uniforms(shape, seed, "piece", i) for i in drawn]).to(device)
        chance = torch.cat([noise.uniforms((1,), seed, "final", i) for i in drawn])
        given = begun[rows_of]
        where = with_finals(system, given, positions[rows_of], settings.temperature, chance)
        if alone:
            own = derive(seed, "learning", numbers[begin])
            parts.append(continue_learning(system, given, where, settings, uniforms, own))
        else:
            parts.append(continue_keys(system, given, where, settings.temperature, uniforms))
    played = midi_velocities(torch.cat(parts)[:pieces])
    return [
        Piece(int(song), roll[: plan.steps])
        for song, roll, plan in zip(rows["song"], played, plans, strict=True)
    ]


def chosen_songs(songs: Songs, count: int, seed: int, first: int = 0) -> np.ndarray:
    """Choose test songs in a random order, starting over if there are fewer: ndarray[int64]."""
    order = np.random.default_rng(derive(seed, "songs")).permutation(songs.of("test"))
    return order[np.arange(first, first + count) % len(order)]


@torch.inference_mode()
def with_finals(
    system: System, begun: Tensor, positions: Tensor, temperature: float, uniforms: Tensor
) -> Tensor:
    """Draw the final of each piece: the better it explains how the piece begins, the likelier.

    Parameters
    ----------
    system : System
        Trained.
    begun : Tensor[B, S, 88]
        Given velocities, from the first step of a piece. The last 256 of them count.
    positions : Tensor[B, N, 10] of int64
        Where the N steps of each piece stand, those given included, without a final.
    temperature : float
        At 0, the final is taken that explains the beginning best.
    uniforms : Tensor[B]
        Random numbers in [0, 1).

    Returns
    -------
    Tensor[B, N, 10] of int64
        With a final, if the system uses one; on the device of `begun`.
    """
    generator, found = system.generator, positions.to(begun.device, copy=True)
    if not generator.knows_final:
        return found
    notes = system.performer.classes(keys_of(begun))
    first = max(begun.shape[1] - HEARD, 0)
    past = functional.pad(notes[:, :first], (0, 0, max(generator.context_length - first, 0), 0))
    heard, logits = notes[:, first:], []
    unused = heard.new_zeros(*heard.shape[:2], generator.num_uniforms)
    for final in range(rolls.CLASSES):
        found[..., FINAL] = final
        nats, _ = generator.log_prob(heard, generator.initial(past, found[:, first:]), unused)
        logits.append(nats.sum(1))
    drawn = draw_at(torch.stack(logits, -1), uniforms.to(begun.device), temperature)
    found[..., FINAL] = drawn[:, None]
    return found


def _first(songs: Songs, song: int) -> int:
    """The step of a song's first note, if it is among those that are given; otherwise 0."""
    onsets = songs.song(song)["onset"][:1]
    return int(onsets[0]) if len(onsets) and onsets[0] < SEED_STEPS else 0


@torch.inference_mode()
def continue_keys(
    system: System, begun: Tensor, positions: Tensor, temperature: float, uniforms: Tensor
) -> Tensor:
    """Continue what was played. States and history start at zero.

    Parameters
    ----------
    system : System
        Trained.
    begun : Tensor[B, S, 88]
        Given velocities, from the first step of a piece.
    positions : Tensor[B, N, 10] of int64
        Where the N steps of each piece stand, those given included.
    temperature : float
        At 0, the most probable outcome is always taken.
    uniforms : Tensor[B, N, num_uniforms]
        Random numbers in [0, 1).

    Returns
    -------
    Tensor[B, N, 88]
        Velocities, the given ones first.
    """
    given, end = begun.shape[1], positions.shape[1]
    silence = begun.new_zeros(len(begun), system.context_length, rolls.KEYS)
    state = system.initial(silence, positions.to(begun.device))
    state = system.follow(begun, state, uniforms[:, :given])
    played = [begun]
    for step in progress(range(given, end), end - given, "compose"):
        now, state = system.step(state, uniforms[:, step : step + 1], temperature)
        played.append(now)
    return torch.cat(played, 1)


def notes_of(
    roll: np.ndarray, metre: Metre, steps_per_beat: int, representation: str
) -> np.ndarray:
    """Turn a roll into the notes of a score.

    Parameters
    ----------
    roll : ndarray[int8], shape [steps, 88]
        As from `ostinato.notes.data.rolls.render_roll`.
    metre : Metre
        The time signature of the whole piece.
    steps_per_beat : int
        Number of steps in a quarter note.
    representation : str
        With ``"onset"``, a note sounds until the next onset of any key, for at most one bar. With
        ``"holding"``, a key that is marked at consecutive steps is one note.

    Returns
    -------
    ndarray[NOTE]
    """
    ticks = TICKS_PER_BEAT // steps_per_beat
    if representation != "onset":
        padded = np.pad(roll, ((1, 1), (0, 0)))
        before, now = padded[:-1], padded[1:]
        # What is held at the beginning of the roll begins there.
        starts = (now != 0) & (before == 0) | (now > 0) & (representation == "notes")
        # A note ends where the next one of its key starts, or where it is silent.
        stops = (before != 0) & ((now == 0) | starts)
        keys, begins = np.nonzero(starts.T)
        ends = np.nonzero(stops.T)[1]
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


def in_parts(notes: np.ndarray, before: Voices, parts: Sequence[int]) -> np.ndarray:
    """Divide notes among parts, each of which is a voice. Two may sing the same.

    Parameters
    ----------
    notes : ndarray[NOTE]
        Sorted by onset and pitch.
    before : Voices
        Where the voices are before the first note.
    parts : sequence of int
        The part of each voice, the highest first.

    Returns
    -------
    ndarray[NOTE]
    """
    divided = notes.copy()
    divided["part"] = np.array(parts)[voices.separate(notes, before)]
    return tidy(np.concatenate([divided, voices.unisons(divided, parts)]))


def continue_score(system: System, score: Score, bars: int, temperature: float, seed: int) -> Score:
    """Continue a score from the bar after its last note.

    Parameters
    ----------
    system : System
        Trained. It hears the whole score, quantised to its own grid.
    score : Score
        The score to continue. Its notes stay as they are, but those that sound at its end may last
        longer. New notes are in its own parts: if these are voices, where they lead to; otherwise
        by their height. Drums play again what they last played.
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
        If the score has no pitched notes, or bars that are no whole number of steps.
    """
    if not len(score.pitched):
        raise UserError("there are no notes to go on from")
    ticks = TICKS_PER_BEAT // system.steps_per_beat
    end = score.end
    metres = [metre for metre in score.metres if metre.tick < end]
    before = whole_bars(metres, system.steps_per_beat)
    given = Positions(before, -(-end // ticks)).steps
    heard = quantise(score, system.steps_per_beat)
    roll = rolls.render_roll(heard, 0, given, representation=system.representation)
    device = devices.device_of(system)
    begun = torch.from_numpy(roll / np.float32(128))[None].to(device)
    plan = Positions(before, given + bars * before[-1].bar, int(heard["onset"][0]))
    steps = plan.steps
    where = torch.from_numpy(plan(0, steps))[None]
    chance = noise.uniforms((1,), seed, "final")
    where = with_finals(system, begun, where, temperature, chance)
    uniforms = noise.uniforms((1, steps, system.num_uniforms), seed, "continue").to(device)
    played = midi_velocities(continue_keys(system, begun, where, temperature, uniforms))
    old, rest = prolonged(score, played[0], given, ticks, system.representation)
    new = notes_of(rest, metres[-1], system.steps_per_beat, system.representation)
    new["onset"] += given * ticks
    if own := voices_of(score):
        last = np.array([old[old["part"] == part][-1] for part in own])
        at_end = Voices(last["pitch"].astype(float), last["onset"] + last["length"].astype(int))
        new = in_parts(new, at_end, own)
    else:
        new = by_height(new, score, metres[-1].bar)
    new = np.concatenate([new, drums_again(score, given * ticks, bars, metres[-1])])
    return replace(score, notes=tidy(np.concatenate([old, new])))


def prolonged(
    score: Score, roll: np.ndarray, given: int, ticks: int, representation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Let the given notes of a roll last as long as they are held after them.

    Parameters
    ----------
    score : Score
        The given notes.
    roll : ndarray[int8], shape [steps, 88]
        As from `ostinato.notes.data.rolls.render_roll`.
    given : int
        Number of steps that are given.
    ticks : int
        Number of ticks in a step.
    representation : str
        That of the roll. Onsets are never held.

    Returns
    -------
    notes : ndarray[NOTE]
    roll : ndarray[int8], shape [steps - given, 88]
        The steps that follow, without what belongs to the given notes.
    """
    notes, rest = score.notes.copy(), roll[given:].copy()
    pitched = ~score.drums
    goes_on = rest < 0
    if representation == "holding":
        goes_on = (rest != 0) & (roll[given - 1] != 0)
    for key in np.flatnonzero(goes_on[0]):
        held = int((~np.append(goes_on[:, key], False)).argmax())
        own = np.flatnonzero(pitched & (notes["pitch"] == key + rolls.LOWEST))
        last = own[np.argmax(notes["onset"][own] + notes["length"][own])]
        notes["length"][last] = (given + held) * ticks - notes["onset"][last]
        rest[:held, key] = 0
    return notes, rest


def midi_velocities(velocities: Tensor) -> np.ndarray:
    """Convert velocities divided by 128 to MIDI velocities: Tensor[...] to ndarray[int8]."""
    whole = (velocities.abs() * 128 + 0.5).floor().clamp(1, 127)
    return (whole * velocities.sign()).cpu().numpy().astype(np.int8)
