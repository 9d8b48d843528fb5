"""Whether a tune in ABC can be read, and whether its bars add up."""

import re
import warnings
from fractions import Fraction
from itertools import pairwise

import music21

HEAD = "X:1\n"
"""What ABC wants a tune to begin with, and `ostinato.tokens.data.tunes` leaves out."""

_LARGE = re.compile(r"\d{3}")


def bounded(tune: str) -> bool:
    """Say whether no number in a tune has three digits or more.

    music21 takes minutes for a note of 999 eighths, and a metre of 999/8 is no better.
    """
    return not _LARGE.search(tune)


def adds_up(tune: str) -> bool:
    """Read a tune, and say whether its bars are as long as its metre wants.

    A bar may be shorter where a section begins or ends: the first one, the last one, and those
    beside a repeat sign or a double bar line. But two bars at least, and half of all, are whole,
    and something sounds.

    Parameters
    ----------
    tune : str
        Fields and music, as from `ostinato.tokens.data.tunes.clean`.

    Returns
    -------
    bool
        False, too, where it is not `bounded`, or music21 cannot read it.
    """
    if not bounded(tune):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = music21.converter.parse(
                HEAD + tune, format="abc", forceSource=True, storePickle=False
            )
            bars = parsed.recurse().getElementsByClass(music21.stream.Measure)
            bars = [bar for bar in bars if bar.notesAndRests]
            lengths = [Fraction(bar.duration.quarterLength) for bar in bars]
            # The first metre holds: music21 gives a bar that is too long one of its own.
            [metre, *_] = parsed.recurse().getElementsByClass(music21.meter.TimeSignature)
            full = Fraction(metre.barDuration.quarterLength)
            sounds = bool(parsed.recurse().notes)
    # music21 raises whatever a mistake in the text leads to; each says that it is no tune.
    except Exception:
        return False
    # Where two bars meet, the line may belong to either.
    begins = [*(_edge(bar.leftBarline) for bar in bars), True]
    ends = [True, *(_edge(bar.rightBarline) for bar in bars)]
    lines = [begin or end for begin, end in zip(begins, ends, strict=True)]
    edges = [before or after for before, after in pairwise(lines)]
    whole = sum(length == full for length in lengths)
    return (
        sounds
        and whole >= max(2, len(bars) / 2)
        and all(
            length == full or (length < full and edge)
            for length, edge in zip(lengths, edges, strict=True)
        )
    )


def _edge(line: music21.bar.Barline | None) -> bool:
    return line is not None and line.type != "regular"
