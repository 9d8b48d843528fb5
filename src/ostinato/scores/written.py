"""Music as it is written, and how it becomes a score that sounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

import numpy as np

from ostinato.scores.score import (
    BPM,
    TICKS_PER_BEAT,
    Metre,
    Part,
    Score,
    Tempo,
    check_length,
    note_array,
    tidy,
)

T = TypeVar("T")

HIGHEST = 127
"""The highest MIDI pitch."""

MOST_BEATS, UNITS = 255, {2**power for power in range(8)}
"""The most beats in a bar, and what beats can be: from whole notes to 128ths."""

SLOWEST, FASTEST = 4, 2000
"""Bounds of tempi, in quarter notes per minute. MIDI cannot represent slower ones."""

Passage = tuple[Fraction, Fraction]
"""What is played without a jump: its beginning and its end, in quarter notes."""


@dataclass
class Note:
    """A written note: index of its part, onset and length in quarters, MIDI pitch and velocity."""

    part: int
    onset: Fraction
    length: Fraction
    pitch: int
    velocity: int


@dataclass
class Written:
    """What a notation says, once, whatever is repeated. Times are in quarter notes.

    Attributes
    ----------
    notes : list of Note
    parts : list of Part
    metres : dict of Fraction to (int, int)
        Numbers of beats, and their units, from a time on.
    tempi : dict of Fraction to float
        Quarter notes per minute, from a time on.
    pickup : Fraction
        By how much the first bar is shorter than its metre says.
    title : str
    mended : list of str
        What was wrong.
    """

    notes: list[Note] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    metres: dict[Fraction, tuple[int, int]] = field(default_factory=dict)
    tempi: dict[Fraction, float] = field(default_factory=dict)
    pickup: Fraction = Fraction(0)
    title: str = ""
    mended: list[str] = field(default_factory=list)
    _tied: dict[tuple[int, int], Note] = field(default_factory=dict)

    def add(self, note: Note, goes_on: bool, will_go_on: bool) -> None:
        """Add a note, in order of onset.

        Parameters
        ----------
        note : Note
        goes_on, will_go_on : bool
            Whether it is tied to the note of its part and pitch that ends where it begins, and to
            the one that begins where it ends.
        """
        key = note.part, note.pitch
        before = self._tied.get(key)
        if before and goes_on and before.onset + before.length == note.onset:
            del self._tied[key]
            before.length += note.length
            note = before
        elif 0 <= note.pitch <= HIGHEST:
            self.notes.append(note)
        if will_go_on:
            self._tied[key] = note

    def add_metre(self, moment: Fraction, beats: int, unit: int) -> None:
        """Add a time signature, unless MIDI cannot represent it: the one before goes on then."""
        if 0 < beats <= MOST_BEATS and unit in UNITS:
            self.metres[moment] = beats, unit

    def add_tempo(self, moment: Fraction, bpm: float) -> None:
        """Add a tempo, unless nobody could play it."""
        if SLOWEST <= bpm <= FASTEST:
            self.tempi[moment] = bpm


def sounding(written: Written, passages: Sequence[Passage]) -> Score:
    """Turn what is written into what sounds.

    Parameters
    ----------
    written : Written
    passages : sequence of (Fraction, Fraction)
        In the order in which they are played.

    Returns
    -------
    Score
        Without metre, 4/4; a pickup comes at the end of a full bar.
    """
    rows: list[tuple[int, int, int, int, int]] = []
    metres, tempi = {}, {}
    notes = sorted(written.notes, key=lambda note: note.onset)
    onsets = [note.onset for note in notes]
    now = Fraction(0)
    for begin, end in _joined(passages):
        check_length(float(now + end - begin))
        first, last = np.searchsorted(onsets, [begin, end])
        for note in notes[first:last]:
            onset = ticks(note.onset - begin + now)
            length = ticks(note.onset + note.length - begin + now) - onset
            rows.append((onset, length, note.pitch, note.velocity, note.part))
        metres |= _during(written.metres, begin, end, now)
        tempi |= _during(written.tempi, begin, end, now)
        now += end - begin
    score = Score(
        tidy(note_array(rows)),
        written.parts,
        [Metre(tick, *metre) for tick, metre in _changes({0: (4, 4)} | metres)],
        [Tempo(tick, bpm) for tick, bpm in _changes({0: BPM} | tempi)],
        written.title,
        tuple(written.mended),
        bool(written.metres),
    )
    return score.delayed(ticks(written.pickup))


def _joined(passages: Sequence[Passage]) -> list[Passage]:
    """Join passages that follow each other without a jump."""
    found: list[Passage] = []
    for begin, end in passages:
        if found and found[-1][1] == begin:
            found[-1] = found[-1][0], end
        elif end > begin:
            found.append((begin, end))
    return found


def _changes(values: dict[int, T]) -> list[tuple[int, T]]:
    """List values by tick, without those that are the same as before."""
    found: list[tuple[int, T]] = []
    for tick in sorted(values):
        if not found or found[-1][1] != values[tick]:
            found.append((tick, values[tick]))
    return found


def _during(
    changes: dict[Fraction, T], begin: Fraction, end: Fraction, now: Fraction
) -> dict[int, T]:
    """List what holds from which tick on while a passage is played from `now` on."""
    before = [moment for moment in sorted(changes) if moment <= begin]
    found = {ticks(now): changes[before[-1]]} if before else {}
    return found | {
        ticks(moment - begin + now): changes[moment] for moment in changes if begin < moment < end
    }


def ticks(quarters: Fraction) -> int:
    """Convert quarter notes to ticks, halves rounded up."""
    return int(quarters * TICKS_PER_BEAT + Fraction(1, 2))
