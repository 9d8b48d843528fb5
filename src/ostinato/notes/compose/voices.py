"""Voices: the notes of a roll are divided among as many voices as a song has.

A roll does not say which voice sings a note. A beam search finds a division in which voices move as
little as possible, seldom cross, and seldom rest while others sing.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np

from ostinato.scores.score import NOTE, TICKS_PER_BEAT

BEAM = 32
"""Number of divisions that are followed."""

CROSSING, LEAP, REST = 7.0, 12.0, 1.0
"""Costs in semitones, at each onset: of two voices that cross; the most that the move of a voice
costs; and of a voice that rests."""


OCTAVE = 12
BREATH = 4 * TICKS_PER_BEAT
"""A voice that seems to rest for longer does rest."""


class Voices(NamedTuple):
    """Where some voices are.

    Attributes
    ----------
    pitch : ndarray[float64], shape [voices]
        The MIDI pitch of the last note of each; nan if it had none.
    end : ndarray[int64], shape [voices]
        When that note ends, in ticks.
    """

    pitch: np.ndarray
    end: np.ndarray


def silent(count: int) -> Voices:
    """Voices that have sung nothing yet."""
    return Voices(np.full(count, np.nan), np.zeros(count, int))


def separate(notes: np.ndarray, before: Voices, known: np.ndarray | None = None) -> np.ndarray:
    """Divide notes among voices.

    Parameters
    ----------
    notes : ndarray[NOTE]
        Sorted by onset and pitch.
    known : ndarray[int64], optional
        The voices of notes that are in one already; -1 for others.
    before : Voices
        Where the voices are before the first note. There are n! ways to divide a chord among n
        voices, so there should not be more than six.

    Returns
    -------
    ndarray[int64]
        The voice of each note, 0 for the highest. Where more notes sound at once than there are
        voices, a voice sings several.
    """
    known = np.full(len(notes), -1) if known is None else known
    surplus = _surplus(notes, before)
    found = np.zeros(len(notes), np.int64)
    found[~surplus] = _search(notes[~surplus], before, known[~surplus])
    for note in np.flatnonzero(surplus):
        found[note] = found[_nearest(notes, note, ~surplus)]
    return np.where(known >= 0, known, found)


def unisons(notes: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """Find the notes that two voices sing at once, which a roll has once.

    One of the voices seems to rest, just when its neighbour begins a note that lasts as long as the
    rest, or longer. Of test chorales, three in four are found, and three in four of those found are
    some (``bench/voices.py``).

    Parameters
    ----------
    notes : ndarray[NOTE]
        Divided among voices.
    parts : sequence of int
        The part of each voice, the highest first.

    Returns
    -------
    ndarray[NOTE]
        Those to add.
    """
    begin, pitch = notes["onset"].astype(int), notes["pitch"].astype(int)
    end, found = begin + notes["length"], []
    for place, part in enumerate(parts):
        own = np.flatnonzero(notes["part"] == part)
        own = own[np.argsort(begin[own], kind="stable")]
        near = np.isin(notes["part"], [*parts[max(place - 1, 0) : place], *parts[place + 1 :][:1]])
        for last, following in pairwise(own.tolist()):
            rest = begin[following] - end[last]
            if not 0 < rest <= BREATH:
                continue
            same = near & (begin == end[last]) & (end >= begin[following])
            same &= np.abs(pitch - pitch[last]) <= OCTAVE
            same &= np.abs(pitch - pitch[following]) <= OCTAVE
            for note in np.flatnonzero(same)[:1]:
                row = end[last], rest, pitch[note], notes["velocity"][note], part
                found.append(row)
    return np.array(found, NOTE)


def _surplus(notes: np.ndarray, before: Voices) -> np.ndarray:
    """Mark notes as they begin if all voices are taken: inner ones first, and short ones."""
    ends = notes["onset"] + notes["length"]
    marked = np.zeros(len(notes), bool)
    for onset in np.unique(notes["onset"]):
        sounding = np.flatnonzero((notes["onset"] <= onset) & (ends > onset) & ~marked)
        more = len(sounding) + int((before.end > onset).sum()) - len(before.end)
        if more > 0:
            pitches = notes["pitch"][sounding]
            outer = (pitches == pitches.min()) | (pitches == pitches.max())
            new = notes["onset"][sounding] == onset
            order = np.lexsort((ends[sounding], outer, ~new))
            marked[sounding[order[:more]]] = True
    return marked


def _nearest(notes: np.ndarray, note: int, among: np.ndarray) -> int:
    """Find the nearest in pitch of the notes allowed that sound when a note begins, if any do."""
    onset = notes["onset"][note]
    sounds = (notes["onset"] <= onset) & (notes["onset"] + notes["length"] > onset)
    distance = np.abs(notes["pitch"].astype(int) - int(notes["pitch"][note]))
    return int(np.lexsort((distance, ~sounds, ~among))[0])


def _search(notes: np.ndarray, before: Voices, known: np.ndarray) -> np.ndarray:
    """Find the voices of notes, of which no more sound at once than there are voices."""
    if not len(notes):
        return np.zeros(0, int)
    onsets, firsts = np.unique(notes["onset"], return_index=True)
    voices = len(before.pitch)
    pitch, end, cost = before.pitch[None], before.end[None], np.zeros(1)
    steps: list[tuple[np.ndarray, np.ndarray]] = []
    for onset, first, last in zip(onsets, firsts, [*firsts[1:], len(notes)], strict=True):
        chord = notes[first:last]
        ways, own = _ways(voices, len(chord)), known[first:last]
        as_known = ((own < 0) | (ways == own)).all(1)
        free = (end[:, ways] <= onset).all(-1)
        # A note that is known may begin where its voice still sings another one.
        free &= as_known if free[:, as_known].any() else True
        source, way = np.nonzero(free)
        chosen, rows = ways[way], np.arange(len(way))[:, None]
        moved = np.abs(chord["pitch"] - pitch[source[:, None], chosen])
        new_pitch, new_end = pitch[source], end[source]
        new_pitch[rows, chosen] = chord["pitch"]
        new_end[rows, chosen] = onset + chord["length"]
        sounds = new_end > onset
        total = cost[source] + np.nan_to_num(np.minimum(moved, LEAP)).sum(1)
        total += CROSSING * _crossings(new_pitch, sounds) + REST * (~sounds).sum(1)
        order = np.argsort(total, kind="stable")
        # Of states with the same future, the first is the cheapest.
        future = np.nan_to_num(new_pitch), np.maximum(new_end, onset)
        states = np.concatenate(future, 1)
        distinct: dict[bytes, int] = {}
        for state in order.tolist():
            distinct.setdefault(states[state].tobytes(), state)
            if len(distinct) == BEAM:
                break
        kept = np.array(list(distinct.values()))
        steps.append((source[kept], chosen[kept]))
        pitch, end, cost = new_pitch[kept], new_end[kept], total[kept]
    found, state = [], int(cost.argmin())
    for source, chosen in reversed(steps):
        found.append(chosen[state])
        state = source[state]
    return np.concatenate(found[::-1])


@cache
def _ways(voices: int, notes: int) -> np.ndarray:
    """All ways to give notes to different voices: ndarray[int64], shape [ways, notes]."""
    return np.array(list(permutations(range(voices), notes)), int).reshape(-1, notes)


def _crossings(pitch: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """Count the pairs of sounding voices of which the lower one is higher: [N, V] twice to [N]."""
    lower, higher = pitch[:, None, :], pitch[:, :, None]
    crossed = (higher < lower) & sounds[:, None, :] & sounds[:, :, None]
    return np.triu(crossed, 1).sum((1, 2))
