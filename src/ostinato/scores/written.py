"""Music as it is written, and how it becomes a score that sounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

import numpy as np

from ostinato.scores.score import BPM, NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo, tidy

T = TypeVar("T")

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
    for begin, end in passages:
        first, last = np.searchsorted(onsets, [begin, end])
        for note in notes[first:last]:
            onset = ticks(note.onset - begin + now)
            length = ticks(note.onset + note.length - begin + now) - onset
            rows.append((onset, length, note.pitch, note.velocity, note.part))
        metres |= _during(written.metres, begin, end, now)
        tempi |= _during(written.tempi, begin, end, now)
        now += end - begin
    metres.setdefault(0, (4, 4))
    tempi.setdefault(0, BPM)
    signatures = [Metre(tick, *metres[tick]) for tick in sorted(metres)]
    score = Score(
        tidy(np.array(rows, NOTE)),
        written.parts,
        [m for i, m in enumerate(signatures) if i == 0 or str(m) != str(signatures[i - 1])],
        [Tempo(tick, tempi[tick]) for tick in sorted(tempi)],
        written.title,
        tuple(written.mended),
        bool(written.metres),
    )
    return score.delayed(ticks(written.pickup))


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
