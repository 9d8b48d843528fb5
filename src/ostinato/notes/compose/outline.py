"""Outlines: what is given of a piece (a melody, all but some bars, some notes), and what is not."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ostinato.core.errors import UserError
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import beat_of, quantise, whole_bars
from ostinato.notes.data.positions import UNKNOWN, Positions
from ostinato.notes.parts.given import ANY, HELD, STRUCK, Given
from ostinato.scores.grid import straightened, without_swing
from ostinato.scores.parts import MELODY, chosen
from ostinato.scores.score import TICKS_PER_BEAT, Score, bar_ticks, nearest_step, voices_of

VOICES = {"soprano": 0, "alto": 1, "tenor": 2, "bass": -1}
"""Voices that may be given, by where they stand from above; the bass stands below all others."""

AFTER = 8
"""So many bars after those that are written count."""

FINE = 12
"""Steps in a beat on which notes stand when beats are compared."""

RANDOM, BEAT, VOICE = "random", "beat", "voice"
"""What notes are kept: any, those on the strongest beats, or those of the highest voices."""


@dataclass(frozen=True)
class Outline:
    """What is given of a piece.

    Attributes
    ----------
    song : Score
        What it is of.
    score : Score
        The song with the notes alone that are given, and as they stay.
    begin, end : int
        New notes begin between these ticks.
    stop : int
        The tick at which the piece ends.
    voice : int or None
        Which voice is given, counted from the highest, -1 for the lowest; None if notes of any are.
    final : int or None
        The pitch class on which the piece ends, if it is given.
    likely : int or None
        Otherwise, the one on which it probably does.
    swing : tuple of float and int, or None
        How the score swings; see `ostinato.scores.grid.with_swing`. New notes will, too.
    """

    song: Score
    score: Score
    begin: int
    end: int
    stop: int
    voice: int | None = None
    final: int | None = None
    likely: int | None = None
    swing: tuple[float, int] | None = None


def melody(score: Score, voice: int = 0) -> Outline:
    """Give a melody, to be harmonised.

    Parameters
    ----------
    score : Score
        If it consists of voices, the one asked for is the melody. If it has a single part, this is
        the melody; otherwise, the part that is called so, or the highest one.
    voice : int
        Where it is to stand: 0 for the highest voice, 1 for the next, ... and -1 for the lowest.

    Returns
    -------
    Outline
        Of a score with one part.

    Raises
    ------
    UserError
        If there is no such voice; or if the melody has several notes at once, or notes that no
        piano has.
    """
    if voices := voices_of(score):
        if not -1 <= voice < len(voices):
            raise UserError(
                f"there are {len(voices)} voices, and none of them is number {voice + 1}"
            )
        notes = score.notes[score.notes["part"] == voices[voice]]
    else:
        alone = len(np.unique(score.pitched["part"])) == 1
        notes = score.pitched if alone else chosen(score, [MELODY]).notes
    if not len(notes):
        raise UserError("there is no note to harmonise")
    part = score.parts[int(notes["part"][0])]
    notes = notes.copy()
    notes["part"] = 0
    _on_keyboard(notes, score)
    late = notes["onset"][:-1] + notes["length"][:-1] > notes["onset"][1:]
    if late.any():
        where = place(score, int(notes["onset"][1:][late][0]))
        raise UserError(f"a melody is wanted, and {where} has several notes at once")
    given = replace(score, notes=notes, parts=[part])
    last = int(notes["pitch"][-1]) % rolls.CLASSES
    # Nearly all melodies end on the keynote.
    final, likely = {-1: (last, None), 0: (None, last)}.get(voice, (None, None))
    return Outline(given, given, int(notes["onset"][0]), given.end, given.end, voice, final, likely)


def gap(score: Score, first: int, last: int) -> Outline:
    """Give all of a piece but some bars.

    Parameters
    ----------
    score : Score
    first, last : int
        The first and the last bar to be written, counted from 1.

    Returns
    -------
    Outline

    Raises
    ------
    UserError
        If there are no such bars.
    """
    _on_keyboard(score.pitched, score)
    lines = bar_lines(score)
    count = len(lines) - 1
    if not 1 <= first <= last <= count:
        raise UserError(f"there are bars 1 to {count}, and not {first} to {last}")
    begin, end = lines[first - 1], lines[last]
    new = (score.notes["onset"] >= begin) & (score.notes["onset"] < end) & ~score.drums
    given = replace(score, notes=score.notes[~new])
    pitched = score.pitched
    begin = max(begin, int(pitched["onset"].min(initial=end - 1))) if first == 1 else begin
    ends = pitched["onset"] + pitched["length"]
    stop = int(ends.max(initial=end))
    last_chord = pitched[ends == ends.max(initial=0)]
    known = len(last_chord) and (last_chord["onset"] >= end).all()
    final = int(last_chord["pitch"].min()) % rolls.CLASSES if known else None
    return Outline(score, given, begin, min(end, stop), stop, None, final)


def variation(score: Score, keep: float, by: str = RANDOM, seed: int = 1) -> Outline:
    """Give some of a piece's notes.

    Parameters
    ----------
    score : Score
    keep : float
        The share of them.
    by : str
        `RANDOM`; `BEAT`, those on the strongest beats; or `VOICE`, the highest voices.
    seed : int
        Which notes, if they are random.

    Returns
    -------
    Outline

    Raises
    ------
    UserError
        If voices are asked for, and there are none; or if all notes would be kept.
    """
    _on_keyboard(score.pitched, score)
    pitched = np.flatnonzero(~score.drums)
    notes = score.notes[pitched]
    count = round(keep * len(notes))
    if by == VOICE:
        voices = voices_of(score)
        if not voices:
            raise UserError("it does not consist of voices; vary it by beat, or at random")
        kept = np.isin(notes["part"], voices[: round(keep * len(voices))])
    else:
        rng = np.random.default_rng(derive(seed, "variation"))
        order = rng.permutation(len(notes))
        if by == BEAT:
            order = order[np.argsort(_weakness(score, notes)[order], kind="stable")]
        kept = np.isin(np.arange(len(notes)), order[:count])
    if len(notes) and kept.all():
        raise UserError("no note would be drawn again; keep fewer of them")
    mask = score.drums
    mask[pitched[kept]] = True
    first, stop = 0, score.end
    if len(notes):
        first, stop = int(notes["onset"].min()), int((notes["onset"] + notes["length"]).max())
    return Outline(score, replace(score, notes=score.notes[mask]), first, stop, stop)


def bar_lines(score: Score) -> list[int]:
    """List where the bars of a score begin, in ticks, and where the last one ends."""
    lines = bar_ticks(score)
    last = [metre for metre in score.metres if metre.tick <= lines[-1]][-1]
    return [*lines, lines[-1] + last.bar] if score.end else [0]


def place(score: Score, tick: int) -> str:
    """Say where in a score a tick is: ``"bar 3"``."""
    return f"bar {np.searchsorted(bar_lines(score), tick, 'right')}"


def _on_keyboard(notes: np.ndarray, score: Score) -> None:
    """Raise UserError if there is a note that no piano has."""
    outside = (notes["pitch"] < rolls.LOWEST) | (notes["pitch"] >= rolls.LOWEST + rolls.KEYS)
    if outside.any():
        note = notes[outside][0]
        raise UserError(
            f"{place(score, int(note['onset']))} has a note of pitch {note['pitch']}, and a piano "
            f"those from {rolls.LOWEST} to {rolls.LOWEST + rolls.KEYS - 1}"
        )


def _weakness(score: Score, notes: np.ndarray) -> np.ndarray:
    """Rank places in the bar: 0 for its beginning, 1 for its middle, 2 for beats, and so on."""
    lines, begins = np.array(bar_lines(score)), [metre.tick for metre in score.metres]
    onset = nearest_step(notes["onset"], FINE) * (TICKS_PER_BEAT // FINE)
    inside = onset - lines[np.searchsorted(lines, onset, "right") - 1]
    metre = np.searchsorted(begins, onset, "right") - 1
    weakness = np.full(len(notes), 5)
    for number, each in enumerate(score.metres):
        beat = beat_of(each)
        middle = each.bar // 2 if each.bar % (2 * beat) == 0 else each.bar
        for level, unit in enumerate((each.bar, middle, beat, beat // 2, beat // 4)):
            on = (metre == number) & (inside % max(unit, 1) == 0)
            weakness[on] = np.minimum(weakness[on], level)
    return weakness


class Plan:
    """An outline on the steps of a writer.

    Parameters
    ----------
    outline : Outline
    steps_per_beat : int

    Attributes
    ----------
    given : list of Given
        Of each step, from the first of the piece on. Steps long after those that are written are
        left out.
    positions : ndarray[int64], shape [steps, 10]
        Where they stand.
    roll : ndarray[int8], shape [steps, 88]
        Velocities of the notes that are given, negative where they are held.

    Raises
    ------
    UserError
        If a bar is no whole number of steps.
    """

    def __init__(self, outline: Outline, steps_per_beat: int):
        score = outline.score
        metres = [metre for metre in score.metres if metre.tick < max(outline.stop, 1)]
        bars = whole_bars(metres, steps_per_beat)
        times = np.array([outline.begin, outline.end, outline.stop])
        if outline.swing:
            times = np.rint(straightened(times, *outline.swing) * TICKS_PER_BEAT)
        begin, end, stop = nearest_step(times, steps_per_beat).tolist()
        bar = max((each for each in bars if each.step <= end), key=lambda each: each.step).bar
        steps = min(stop, end + AFTER * bar)
        straight = without_swing(score, *outline.swing) if outline.swing else score
        notes = quantise(straight, steps_per_beat)
        self.roll = rolls.render_roll(notes, 0, steps, representation="notes")
        first = min([begin, *notes["onset"][:1].tolist()])
        final = UNKNOWN if outline.final is None else outline.final
        self.positions = Positions(bars, stop, first, stop, final)(0, steps)
        self.given = self._given(begin, end, bar, outline.voice)

    def _given(self, begin: int, end: int, bar: int, voice: int | None) -> list[Given]:
        roll, known, steps = self.roll, self.roll != 0, np.arange(len(self.roll))
        allowed = np.ones((*roll.shape, 3), bool)
        outside = (steps < begin) | (steps >= end)
        allowed[outside, :, STRUCK] = False
        # What is new may sound on for a bar.
        allowed[outside & ~((steps >= end) & (steps < end + bar)), :, HELD] = False
        # A note that is given does not last longer.
        over = np.zeros_like(known)
        over[1:] = known[:-1] & ~known[1:]
        allowed[over, HELD] = False
        allowed[known] = False
        allowed[roll > 0, STRUCK] = True
        allowed[roll < 0, HELD] = True
        if voice is None:
            return [Given(torch.from_numpy(each)) for each in allowed]
        given, sounding = [], np.flatnonzero(known.any(1))
        keys = known.argmax(1) if voice == -1 else rolls.KEYS - 1 - known[:, ::-1].argmax(1)
        for step, each in enumerate(allowed):
            # Where it rests, a voice stays where it was.
            near = sounding[max(np.searchsorted(sounding, step, "right") - 1, 0)]
            key = int(keys[near])
            if voice == -1:
                each[:key, [STRUCK, HELD]] = False
            above = ANY if voice == -1 else voice
            given.append(Given(torch.from_numpy(each), key, above))
        return given
