"""Outlines: what is given of a piece (a melody, all but some bars, some notes), and what is not."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ostinato.core.errors import UserError
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import beat_of, quantise, whole_bars
from ostinato.notes.data.positions import UNKNOWN, Positions, close_of
from ostinato.notes.parts.given import ANY, HELD, STRUCK, Given
from ostinato.scores.grid import straightened, without_swing
from ostinato.scores.parts import MELODY, chosen
from ostinato.scores.score import PICKUP, TICKS_PER_BEAT, Score, bar_ticks, nearest_step, voices_of

VOICES = {"soprano": 0, "alto": 1, "tenor": 2, "bass": -1}
"""Voices that may be given, by where they stand from above; the bass stands below all others."""

KNOWN, LIKELY = "known", "likely"
"""What is known of the end of a piece: it is that of the song, or probably is."""

SUNG = 36, 84
"""The voices of a choir sing from C2 to C6."""

CHOIR = 4
"""Its voices."""

REST = 0.5
"""What it costs, in nats, if a voice rests for a beat while the melody does not: left alone, the
model lets voices rest twice as often as Bach does (bench/harmonise.md)."""

STRAY = 2.0
"""What it costs, in nats, if a voice begins a note on a sixteenth, although the melody never does:
1 in 100 notes of Bach's do, but many more of those that the model writes below a jig."""

LEGATO = TICKS_PER_BEAT // 8
"""If a note sounds on for so long after the next one of a melody has begun, it is not a chord."""

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
    voices : int or None
        How many there are to be, that one included. By default, as many notes sound at once as in
        the song at the most, and none is higher or lower than all of the song's.
    kept : tuple of int
        The parts that play no new notes. They are the highest.
    final : str or None
        `KNOWN` if the piece ends on the final of the song; `LIKELY` if it probably does.
    swing : tuple of float and int, or None
        How the score swings; see `ostinato.scores.grid.with_swing`. New notes will, too.
    """

    song: Score
    score: Score
    begin: int
    end: int
    stop: int
    voice: int | None = None
    voices: int | None = None
    kept: tuple[int, ...] = ()
    final: str | None = None
    swing: tuple[float, int] | None = None

    def described(self) -> str:
        """Say what is given, as it was understood: ``"16 bars in 3/4, the melody is 'Flute'"``."""
        lines = bar_lines(self.song)
        written = f"{len(lines) - 1} bars in {self.song.metre}"
        first = int(self.song.notes["onset"].min(initial=lines[-1]))
        if PICKUP * lines[1] <= first < lines[1]:
            written += ", the first a pickup"
        if self.voice is not None:
            name = self.score.parts[0].name
            return f"{written}, the melody is {name!r}" if name else written
        if self.begin > first or self.end < self.stop:
            first = np.searchsorted(lines, self.begin, "right")
            last = np.searchsorted(lines, self.end, "left")
            return f"{written}, bars {first} to {last} are written anew"
        kept = len(self.score.notes)
        return f"{written}, {kept} of {len(self.song.notes)} notes are kept"


def melody(score: Score, voice: int = 0, count: int = CHOIR) -> Outline:
    """Give a melody, to be harmonised.

    Parameters
    ----------
    score : Score
        If it consists of voices, the one asked for is the melody. If it has a single part, this is
        the melody; otherwise, the part that is called so, or the highest one.
    voice : int
        Where it is to stand: 0 for the highest voice, 1 for the next, ... and -1 for the lowest.
    count : int
        How many voices there are to be, the melody included.

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
    if not -1 <= voice < count:
        raise UserError(f"of {count} voices, none is number {voice + 1}")
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
    late = notes["onset"][:-1] + notes["length"][:-1].astype(int) - notes["onset"][1:]
    together = (late > LEGATO) | (np.diff(notes["onset"].astype(int)) == 0)
    if together.any():
        where = place(score, int(notes["onset"][1:][together][0]))
        name = f"{part.name!r}: " if part.name else ""
        raise UserError(f"{name}a melody is wanted, and {where} has several notes at once")
    given = replace(score, notes=notes, parts=[part])
    # Nearly all melodies end on the keynote; so do basses, but not inner voices.
    final = {-1: KNOWN, 0: LIKELY}.get(voice)
    begin, end = int(notes["onset"][0]), given.end
    return Outline(given, given, begin, end, end, voice, count, final=final)


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
    lines = bar_lines(score)
    count = len(lines) - 1
    if last < first:
        raise UserError(f"bar {last} comes before bar {first}")
    if not 1 <= first <= last <= count:
        raise UserError(f"there are bars 1 to {count}, and not {first} to {last}")
    begin, end = lines[first - 1], lines[last]
    new = (score.notes["onset"] >= begin) & (score.notes["onset"] < end) & ~score.drums
    given = replace(score, notes=score.notes[~new])
    pitched = score.pitched
    # What comes before a pickup stays silent.
    onsets = pitched["onset"].astype(int)
    begin = max([begin, *onsets[:1].tolist()]) if first == 1 and (onsets < end).any() else begin
    ends = onsets + pitched["length"]
    stop = int(ends.max(initial=0))
    stop = stop if stop > begin else end
    last_chord = nearest_step(ends, FINE) == nearest_step(ends, FINE).max(initial=0)
    renewed = (onsets >= begin) & (onsets < end) & last_chord
    final = LIKELY if renewed.any() else KNOWN
    return Outline(score, given, begin, min(end, stop), stop, final=final)


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
    pitched = np.flatnonzero(~score.drums)
    notes, untouched = score.notes[pitched], ()
    count = round(keep * len(notes))
    if by == VOICE:
        voices = voices_of(score)
        if not voices:
            raise UserError(
                "it does not consist of voices, two to six parts that each sound one note at a "
                "time; vary it by beat, or at random"
            )
        count = round(keep * len(voices))
        if 0 < keep < 1:
            count = min(max(count, 1), len(voices) - 1)
        untouched = tuple(voices[:count])
        kept = np.isin(notes["part"], untouched)
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
    given = replace(score, notes=score.notes[mask])
    return Outline(score, given, first, stop, stop, kept=untouched, final=LIKELY)


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
    free : ndarray[bool], shape [steps]
        At which steps new notes may begin.
    likely : int or None
        The final on which the piece probably ends, if it is not known.

    Raises
    ------
    UserError
        If a bar is no whole number of steps, or if no step is left to be written.
    """

    def __init__(self, outline: Outline, steps_per_beat: int):
        metres = [metre for metre in outline.score.metres if metre.tick < max(outline.stop, 1)]
        bars = whole_bars(metres, steps_per_beat)
        times = np.array([outline.begin, outline.end, outline.stop])
        if outline.swing:
            times = np.rint(straightened(times, *outline.swing) * TICKS_PER_BEAT)
        begin, end, stop = nearest_step(times, steps_per_beat).tolist()
        notes, song = (
            _quantised(score, outline.swing, steps_per_beat)
            for score in (outline.score, outline.song)
        )
        # A note of less than half a step takes a whole one.
        close, final = close_of(song) if len(song) else (0, UNKNOWN)
        to_the_end = outline.end >= outline.stop
        stop = max(stop, close) if to_the_end else stop
        end = stop if to_the_end else end
        if end <= begin:
            raise UserError(f"{place(outline.song, outline.begin)} has no room for new notes")
        bar = max((each for each in bars if each.step <= end), key=lambda each: each.step).bar
        steps = min(stop, end + AFTER * bar)
        self.roll = rolls.render_roll(notes, 0, steps, representation="notes")
        first = min([begin, *notes["onset"][:1].tolist()])
        known = final if outline.final == KNOWN else UNKNOWN
        self.likely = final if outline.final == LIKELY and final != UNKNOWN else None
        self.positions = Positions(bars, stop, first, stop, known)(0, steps)
        if outline.voices is not None:
            least, highest = SUNG
            reach, most = [least, highest, *notes["pitch"].tolist()], outline.voices
        else:
            reach = song["pitch"].tolist() or [rolls.LOWEST, rolls.LOWEST + rolls.KEYS - 1]
            whole = rolls.render_roll(song, 0, max(stop, close), representation="notes")
            most = int((whole != 0).sum(1).max()) or ANY
        voice = 0 if outline.kept else outline.voice
        self.free = (np.arange(steps) >= begin) & (np.arange(steps) < end)
        self.given = self._given(voice, (min(reach), max(reach)), most)
        if outline.voices is not None:
            self._in_choir(notes["onset"], steps_per_beat)

    def _in_choir(self, onsets: np.ndarray, steps_per_beat: int) -> None:
        """Let voices sing with a melody that begins notes at some steps."""
        half, rest = steps_per_beat // 2, REST / steps_per_beat
        eighths = half > 1 and (onsets % half == 0).all()
        for step, given in enumerate(self.given):
            self.given[step] = given._replace(
                rest=rest if self.roll[step].any() else 0.0,
                strike=STRAY if eighths and step % half else 0.0,
            )

    def _given(self, voice: int | None, reach: tuple[int, int], most: int) -> list[Given]:
        roll, known = self.roll, self.roll != 0
        allowed = np.ones((*roll.shape, 3), bool)
        allowed[~self.free] = [True, False, False]
        lowest, highest = (pitch - rolls.LOWEST for pitch in reach)
        allowed[:, :lowest, [STRUCK, HELD]] = False
        allowed[:, highest + 1 :, [STRUCK, HELD]] = False
        # A note that is given does not last longer.
        over = np.zeros_like(known)
        over[1:] = known[:-1] & ~known[1:]
        allowed[over, HELD] = False
        allowed[known] = False
        allowed[roll > 0, STRUCK] = True
        allowed[roll < 0, HELD] = True
        # Two notes of a melody may be on one step.
        counts = np.maximum(known.sum(1), most).tolist()
        if voice is None:
            pairs = zip(allowed, counts, strict=True)
            return [Given(torch.from_numpy(each), most=count) for each, count in pairs]
        given, sounding = [], np.flatnonzero(known.any(1))
        keys = known.argmax(1) if voice == -1 else rolls.KEYS - 1 - known[:, ::-1].argmax(1)
        for step, each in enumerate(allowed):
            # Where it rests, a voice stays where it was.
            near = sounding[max(np.searchsorted(sounding, step, "right") - 1, 0)]
            key = int(keys[near])
            if voice == -1:
                each[:key, [STRUCK, HELD]] = False
            above = ANY if voice == -1 else voice
            given.append(Given(torch.from_numpy(each), key, above, counts[step]))
        return given


def _quantised(score: Score, swing: tuple[float, int] | None, steps_per_beat: int) -> np.ndarray:
    """Quantise those notes of a score that a piano has: ndarray[STEP_NOTE]."""
    notes = quantise(without_swing(score, *swing) if swing else score, steps_per_beat)
    return notes[(notes["pitch"] >= rolls.LOWEST) & (notes["pitch"] < rolls.LOWEST + rolls.KEYS)]
