"""Which parts of a score count, and which one has the melody."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pretty_midi

from ostinato.scores.score import Part, Score, tidy, top_notes, voices_of

ALL, MERGED, WITH_MELODY = "all", "merge", "melody+accompaniment"
"""What `chosen` takes beside names: all parts; those with pitch as one; the melody and the rest."""

MELODY, ACCOMPANIMENT, DRUMS = "melody", "accompaniment", "drums"
"""Names that stand for parts whatever these are called."""

_SUNG = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"melod",
        r"vocal|\bvox|\bvoice|\bsing(er|s|ing)?\b|\bsong\b|gesang|\bcanto\b|\bchant\b",
        r"\blead|\bsolo",
    )
]
"""What parts are called that have the melody, from what says it most clearly on."""

FEW = 0.1
"""The melody has so large a share of the notes of the largest part, at least."""


def instrument(part: Part) -> str:
    """Name the General MIDI instrument of a part; ``"drums"`` for drums."""
    return DRUMS if part.drums else pretty_midi.program_to_instrument_name(part.program)


def chosen(score: Score, parts: str | Sequence[str | int]) -> Score:
    """Keep some of a score's parts.

    Parameters
    ----------
    score : Score
    parts : str or sequence of str and int
        ``"all"``; ``"merge"``, all parts that have pitch, as one; ``"melody+accompaniment"``, two
        parts with pitch; or a list of parts: names, names of General MIDI instruments, programs,
        ``"melody"``, ``"accompaniment"`` and ``"drums"``. Upper and lower case are the same.

    Returns
    -------
    Score
        Without notes if it has none of these parts.
    """
    if parts == ALL:
        return score
    if parts == MERGED:
        notes = score.pitched.copy()
        used = np.unique(notes["part"]).tolist()
        programs = {score.parts[part].program for part in used}
        notes["part"] = 0
        program = programs.pop() if len(programs) == 1 else 0
        return replace(score, notes=tidy(notes), parts=[Part(program=program)])
    if parts == WITH_MELODY:
        return _with_melody(score)
    wanted = {str(part).casefold() for part in parts}
    kept = np.array([bool(wanted & _called(part)) for part in score.parts], bool)
    mask = kept[score.notes["part"]] if len(score.notes) else np.zeros(0, bool)
    if wanted & {MELODY, ACCOMPANIMENT}:
        sung = _melody(score)
        mask |= sung & (MELODY in wanted) | ~sung & ~score.drums & (ACCOMPANIMENT in wanted)
    return replace(score, notes=score.notes[mask])


def _called(part: Part) -> set[str]:
    names = {instrument(part)} if part.drums else {instrument(part), str(part.program)}
    return {name.casefold() for name in names | {part.name} if name}


def _with_melody(score: Score) -> Score:
    """Divide what has pitch between two parts."""
    sung = _melody(score)
    drums = score.drums
    notes, parts = score.notes.copy(), []
    for number, (name, mask) in enumerate(((MELODY, sung), (ACCOMPANIMENT, ~sung & ~drums))):
        used, counts = np.unique(notes["part"][mask], return_counts=True)
        program = score.parts[int(used[counts.argmax()])].program if len(used) else 0
        parts.append(Part(name, program))
        notes["part"][mask] = number
    return replace(score, notes=tidy(notes[~drums]), parts=parts)


def _melody(score: Score) -> np.ndarray:
    """Mark the notes of the melody: ndarray[bool], shape [notes].

    It is the part whose name says so; of several parts otherwise the one that is highest and seldom
    has two notes at once; of a single part its top voice.
    """
    notes = score.notes
    pitched = [
        part
        for part in np.unique(score.pitched["part"]).tolist()
        if (notes["part"] == part).sum() >= FEW * np.bincount(score.pitched["part"]).max()
    ]
    if not pitched:
        return np.zeros(len(notes), bool)
    for name in _SUNG:
        for part in pitched:
            if name.search(score.parts[part].name):
                return notes["part"] == part
    if len(pitched) == 1:
        own = np.flatnonzero(notes["part"] == pitched[0])
        return np.isin(np.arange(len(notes)), own[top_notes(notes[own])])
    if voices := voices_of(score):
        return notes["part"] == voices[0]

    def height(part: int) -> float:
        own = notes[notes["part"] == part]
        alone = np.diff(own["onset"], append=np.iinfo(np.int32).max) > 0
        return float(own["pitch"].mean() * alone.mean())

    return notes["part"] == max(pitched, key=height)


FAMILY = 8
"""The programs of General MIDI are in families of so many: pianos, guitars, basses, and so on."""


def numbers_of(parts: Sequence[Part]) -> list[int]:
    """Number the parts of a song, so that songs with similar instruments have the same numbers.

    Parameters
    ----------
    parts : sequence of Part

    Returns
    -------
    list of int
        8 times the number of the family of its program (Program 0 is of family 0), and, from 0 to
        7, which of the parts of this family it is; those after the eighth are like the eighth. -1
        for drums.
    """
    seen: dict[int, int] = {}
    found = []
    for part in parts:
        if part.drums:
            found.append(-1)
            continue
        family = part.program // FAMILY
        found.append(family * FAMILY + min(seen.get(family, 0), FAMILY - 1))
        seen[family] = seen.get(family, 0) + 1
    return found


def usual_parts(songs: Iterable[Sequence[Part]]) -> dict[int, Part]:
    """Find what the parts of a number usually are: their program, and their name if most have it.

    Parameters
    ----------
    songs : iterable of sequence of Part
        The parts of each song.

    Returns
    -------
    dict of int to Part
        By the number, see `numbers_of`; drums have none.
    """
    programs: dict[int, Counter[int]] = {}
    names: dict[int, Counter[str]] = {}
    for parts in songs:
        for number, part in zip(numbers_of(parts), parts, strict=True):
            if number >= 0:
                programs.setdefault(number, Counter())[part.program] += 1
                names.setdefault(number, Counter())[part.name] += 1
    found = {}
    for number in sorted(programs):
        [(program, _)] = programs[number].most_common(1)
        [(name, count)] = names[number].most_common(1)
        # A name that few songs use says nothing of the others.
        found[number] = Part(name if 2 * count > names[number].total() else "", program)
    return found
