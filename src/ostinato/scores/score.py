"""A score: the notes of a piece, with its tempi and metres; times are in ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush

import numpy as np

TICKS_PER_BEAT = 480
"""Ticks per quarter note, in every score and in every MIDI file that is written here."""

VELOCITY = 80
BPM = 100.0
"""The velocity and the tempo, in quarter notes per minute, where notation gives none."""

NOTE = np.dtype(
    [("onset", "<i4"), ("length", "<i4"), ("pitch", "u1"), ("velocity", "u1"), ("part", "<u2")]
)
"""A note: onset and length in ticks, MIDI pitch, MIDI velocity, index of its part."""


MAX_BEATS, MAX_PARTS = 20_769, 2**16
"""Longer scores (2.9 hours at 120 quarter notes per minute), and those of more parts, are rejected:
common libraries read MIDI files of at most ten million ticks, and a pickup needs some of them."""


class UnreadableScore(Exception):
    """A file contains no readable score; the message is the reason, for rejected.csv."""


@dataclass(frozen=True)
class Part:
    """An instrument: its name, its General MIDI program (0 to 127), and whether it is drums."""

    name: str = ""
    program: int = 0
    drums: bool = False


@dataclass(frozen=True)
class Metre:
    """A time signature, such as 3 ``beats`` with the ``unit`` 4, in effect from a tick on."""

    tick: int
    beats: int
    unit: int

    @property
    def bar(self) -> int:
        """The length of a bar in ticks."""
        return self.beats * TICKS_PER_BEAT * 4 // self.unit

    def __str__(self) -> str:
        return f"{self.beats}/{self.unit}"


@dataclass(frozen=True)
class Tempo:
    """A tempo in quarter notes per minute, in effect from a tick on."""

    tick: int
    bpm: float


@dataclass(frozen=True)
class Score:
    """The notes of a piece.

    Attributes
    ----------
    notes : ndarray[NOTE]
        Sorted by onset, pitch and part. Notes of the same pitch and part do not overlap.
    parts : list of Part
        The instruments that the notes belong to.
    metres : list of Metre
        At least one, the first at tick 0.
    tempi : list of Tempo
        At least one, the first at tick 0.
    title : str
        Its name, or an empty string.
    mended : tuple of str
        What was wrong with its file, and did not keep it from being read.
    metre_known : bool
        Whether the file says a metre; otherwise, its bars are 4/4.
    """

    notes: np.ndarray
    parts: list[Part]
    metres: list[Metre]
    tempi: list[Tempo]
    title: str = ""
    mended: tuple[str, ...] = ()
    metre_known: bool = True

    @property
    def metre(self) -> str:
        """All different time signatures in order of appearance, separated by spaces."""
        return " ".join(dict.fromkeys(map(str, self.metres)))

    @property
    def drums(self) -> np.ndarray:
        """Which notes are those of drums: ndarray[bool], shape [notes]."""
        numbers = [number for number, part in enumerate(self.parts) if part.drums]
        return np.isin(self.notes["part"], numbers)

    @property
    def pitched(self) -> np.ndarray:
        """ndarray[NOTE]: all notes except those of drums."""
        return self.notes[~self.drums]

    @property
    def end(self) -> int:
        """The tick at which the last note ends; 0 without notes."""
        return int((self.notes["onset"] + self.notes["length"]).max(initial=0))

    def delayed(self, ticks: int) -> "Score":
        """The same score after a rest, so that a pickup comes at the end of a full bar.

        Parameters
        ----------
        ticks : int
            The length of the rest.
        """
        notes = self.notes.copy()
        notes["onset"] += ticks

        def later(tick: int) -> int:
            return tick + ticks if tick else 0

        return replace(
            self,
            notes=notes,
            metres=[replace(metre, tick=later(metre.tick)) for metre in self.metres],
            tempi=[replace(tempo, tick=later(tempo.tick)) for tempo in self.tempi],
        )


def check_length(beats: float) -> None:
    """Raise UnreadableScore if a score is longer than `MAX_BEATS`."""
    if beats > MAX_BEATS:
        raise UnreadableScore(f"{beats:,.0f} beats long, more than {MAX_BEATS:,}")


def note_array(rows: Sequence[tuple[int, int, int, int, int]]) -> np.ndarray:
    """Make an array of notes, from the values of their fields: ndarray[NOTE].

    Raises
    ------
    UnreadableScore
        If there are too many parts.
    """
    if rows and max(row[-1] for row in rows) >= MAX_PARTS:
        raise UnreadableScore(f"more than {MAX_PARTS:,} parts")
    return np.array(rows, NOTE)


def tidy(notes: np.ndarray) -> np.ndarray:
    """Sort notes, and remove overlaps between notes of the same pitch and part.

    A MIDI channel cannot play the same pitch twice at once. So a note ends where the next begins,
    and of several notes with the same onset, only the longest is kept. A note of length 0 becomes
    one tick long.

    Parameters
    ----------
    notes : ndarray[NOTE]
        In any order.

    Returns
    -------
    ndarray[NOTE]
        Sorted by onset, pitch and part.
    """
    notes = notes[np.lexsort((-notes["length"], notes["onset"], notes["pitch"], notes["part"]))]
    same_key = np.ones(len(notes), bool)
    same_key[1:] = (notes["part"][1:] == notes["part"][:-1]) & (
        notes["pitch"][1:] == notes["pitch"][:-1]
    )
    doublet = same_key.copy()
    doublet[:1] = False
    doublet[1:] &= notes["onset"][1:] == notes["onset"][:-1]
    notes, same_key = notes[~doublet], same_key[~doublet]
    room = np.full(len(notes), np.iinfo(np.int32).max)
    room[:-1] = np.where(same_key[1:], np.diff(notes["onset"]), room[:-1])
    notes["length"] = np.clip(notes["length"], 1, np.maximum(room, 1))
    return notes[np.lexsort((notes["part"], notes["pitch"], notes["onset"]))]


PICKUP = Fraction(1, 3)
"""A first bar is a pickup if it begins with silence for this share of it, at least."""


def nearest_step(ticks: np.ndarray, steps_per_beat: int) -> np.ndarray:
    """Round ticks to the nearest step, halves up: integers to int64 of the same shape."""
    doubled = 2 * steps_per_beat * np.asarray(ticks, np.int64)
    return (doubled + TICKS_PER_BEAT) // (2 * TICKS_PER_BEAT)


def step_spans(
    onsets: np.ndarray, ends: np.ndarray, steps_per_beat: int
) -> tuple[np.ndarray, np.ndarray]:
    """Round when notes begin and end, in ticks, to the nearest steps; each lasts at least one.

    Integers to int64 of the same shape.
    """
    begins = nearest_step(onsets, steps_per_beat)
    return begins, np.maximum(nearest_step(ends, steps_per_beat), begins + 1)


def bar_ticks(score: Score) -> list[int]:
    """List where the bars of a score begin, in ticks; at least one does."""
    ends = [*(metre.tick for metre in score.metres[1:]), score.end]
    return [
        tick
        for metre, end in zip(score.metres, ends, strict=True)
        for tick in range(metre.tick, min(end, max(score.end, 1)), max(metre.bar, 1))
    ] or [0]


def seconds(score: Score, ticks: np.ndarray) -> np.ndarray:
    """Convert ticks to seconds: an array of integers to float64 of the same shape."""
    begins = np.array([tempo.tick for tempo in score.tempi])
    lengths = 60 / TICKS_PER_BEAT / np.array([tempo.bpm for tempo in score.tempi])
    passed = np.append(0, np.cumsum(np.diff(begins) * lengths[:-1]))
    tempo = np.searchsorted(begins, ticks, "right") - 1
    return passed[tempo] + (ticks - begins[tempo]) * lengths[tempo]


MOST_VOICES = 6
"""With more parts than this, a score is not taken to consist of voices."""


def voices_of(score: Score) -> list[int]:
    """Find the parts of a score that consists of voices.

    Parameters
    ----------
    score : Score

    Returns
    -------
    list of int
        Indices of its pitched parts with notes, the highest first, if there are two to six of them
        and each sounds one note at a time; otherwise empty.
    """
    pitched = score.pitched
    parts = np.unique(pitched["part"]).tolist()
    if not 2 <= len(parts) <= MOST_VOICES:
        return []
    voices = [pitched[pitched["part"] == part] for part in parts]
    for notes in voices:
        if (notes["onset"][1:] < notes["onset"][:-1] + notes["length"][:-1]).any():
            return []
    order = np.argsort([-notes["pitch"].mean() for notes in voices], kind="stable")
    return [parts[place] for place in order]


def top_notes(notes: np.ndarray) -> np.ndarray:
    """Find the notes of the top voice: those at whose onset nothing higher sounds.

    Parameters
    ----------
    notes : ndarray[NOTE]
        Sorted by onset.

    Returns
    -------
    ndarray[int64]
        Indices in order of onset, at most one for each onset.
    """
    sounding: list[tuple[int, int]] = []
    found: list[int] = []
    onsets, starts = np.unique(notes["onset"], return_index=True)
    for onset, start, chord in zip(onsets, starts, np.split(notes, starts[1:]), strict=True):
        while sounding and sounding[0][1] <= onset:
            heappop(sounding)
        highest = int(chord["pitch"].argmax())
        if not sounding or -sounding[0][0] <= chord["pitch"][highest]:
            found.append(int(start) + highest)
        for note in chord:
            heappush(sounding, (-int(note["pitch"]), int(note["onset"] + note["length"])))
    return np.array(found, np.int64)


def top_voice(notes: np.ndarray) -> np.ndarray:
    """The pitches of the top voice; see `top_notes`.

    They do not depend on how the notes are divided into parts.

    Returns
    -------
    ndarray[int64]
        MIDI pitches.
    """
    return notes["pitch"][top_notes(notes)].astype(np.int64)
