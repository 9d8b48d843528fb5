"""Rhythm: what a file says of metre and beats is compared with its notes, and put right."""

from dataclasses import dataclass, replace

from ostinato.scores.beats import performed
from ostinato.scores.grid import STRAIGHT, SWINGING, Grid, find_grid, straightened
from ostinato.scores.metre import find_metre
from ostinato.scores.score import TICKS_PER_BEAT, Metre, Score

FILE, NOTES = "file", "notes"
"""Where a metre comes from."""

CONTRADICTED, DOUBTED = 4.0, 2.0
"""The metre of a file is given up if another one is likelier by so many nats, and the metre of a
file that says none, 4/4 from the beginning on. Of songs whose metre is right, the first leaves 97
in 100 alone (bench/metre.md)."""

SLIGHT = TICKS_PER_BEAT // 16
"""Half of what notes on four steps a beat may be late by."""


@dataclass(frozen=True)
class Rhythm:
    """What was found out about the rhythm of a file.

    Attributes
    ----------
    metre_from : str
        `FILE` or `NOTES`.
    grid : Grid or None
        How notes stood to the beats of the file; None if they did not.
    """

    metre_from: str
    grid: Grid | None


def aligned(score: Score, certain: bool = False, believed: bool = False) -> tuple[Score, Rhythm]:
    """Put notes on the beats and bars that they were meant for.

    What all notes are late by is taken away; where a performance has no beats, they are found.
    Unless the file says a metre, or if its notes speak clearly against it, metre and bars are those
    that the notes speak for; a rest then comes before the first note, so that bars begin at
    multiples of a bar. Swing and what single notes are early or late by stays.

    Parameters
    ----------
    score : Score
        With a note at least.
    certain : bool
        Whether a metre that is said is right, and notes stand where they are meant, as in notation.
    believed : bool
        Whether a metre that is said is taken for right. If notes are less than `SLIGHT` late, they
        stay where they are.

    Returns
    -------
    score : Score
    rhythm : Rhythm
    """
    grid = find_grid(score.notes["onset"])
    if certain:
        # Notation writes triplets and dotted notes where others swing.
        grid = replace(grid, offset=0.0, swing=STRAIGHT) if grid else None
    elif not grid:
        score = performed(score)
    elif not believed or abs(grid.offset) >= SLIGHT:
        score = _earlier(score, round(grid.offset))
    swing, swung = (grid.swing, grid.unit) if grid else (STRAIGHT, SWINGING[0])
    claim = score.metres[0].beats, score.metres[0].unit, 0
    if not score.metre_known:
        claim = 4, 4, 0
    elif str(score.metres[0]) == "2/2":
        claim = 4, 4, 0  # its bars are as long
    best = claim
    # Changes of metre are believed; drums alone tell nothing of harmony.
    fixed = (certain or believed) and score.metre_known
    if len(score.metres) == 1 and len(score.pitched) and not fixed:
        straight = straightened(score.notes["onset"], swing, swung)
        candidates, nats = find_metre(score, straight, claim[:2])
        step = _shortest(grid)
        possible = [i for i, (_, _, begin) in enumerate(candidates) if begin % step == 0]
        candidates, nats = [candidates[i] for i in possible], nats[possible]
        enough = CONTRADICTED if score.metre_known else DOUBTED
        if claim in candidates and nats.max() > nats[candidates.index(claim)] + enough:
            best = candidates[int(nats.argmax())]
    if score.metre_known and best == claim:
        return score, Rhythm(FILE, grid)
    beats, unit, begin = best
    score = replace(score, metres=[Metre(0, beats, unit)])
    return score.delayed(-begin % score.metres[0].bar), Rhythm(NOTES, grid)


def _shortest(grid: Grid | None) -> int:
    """Find of how many ticks bars may begin at multiples: at steps, or at pairs that swing."""
    if grid is None:
        return TICKS_PER_BEAT
    return (
        2 * TICKS_PER_BEAT // grid.unit if grid.swing != STRAIGHT else TICKS_PER_BEAT // grid.steps
    )


def _earlier(score: Score, ticks: int) -> Score:
    """Move notes, not the tempi and metres; by whole bars later if one would be too early."""
    bar = score.metres[0].bar
    early = ticks - int(score.notes["onset"].min())
    score = score.delayed(max(0, -(-early // bar) * bar))
    notes = score.notes.copy()
    notes["onset"] -= ticks
    return replace(score, notes=notes)
