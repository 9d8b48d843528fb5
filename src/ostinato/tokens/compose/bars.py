"""Whether a tune in ABC can be read, and whether its bars have the right length."""

import re
import warnings
from fractions import Fraction
from itertools import pairwise

import music21

HEAD = "X:1\n"
"""The first line of a tune in ABC, which `ostinato.tokens.data.tunes` leaves out."""

_LARGE = re.compile(r"\d{3}")


def bounded(tune: str) -> bool:
    """Say whether all numbers in a tune have fewer than three digits.

    music21 takes minutes to read a note of 999 eighths, or a metre of 999/8.
    """
    return not _LARGE.search(tune)


def adds_up(tune: str) -> bool:
    """Read a tune, and say whether its bars are as long as its metre says.

    A bar may be shorter where a section begins or ends: the first bar, the last bar, and bars
    beside a repeat sign or a double bar line. At least two bars, and at least half of all, must be
    whole, and there must be a note.

    Parameters
    ----------
    tune : str
        Fields and music, as from `ostinato.tokens.data.tunes.clean`.

    Returns
    -------
    bool
        False, too, if the tune is not `bounded`, or if music21 cannot read it.
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
            # Only the first metre counts: music21 gives a bar that is too long its own metre.
            [metre, *_] = parsed.recurse().getElementsByClass(music21.meter.TimeSignature)
            full = Fraction(metre.barDuration.quarterLength)
            sounds = bool(parsed.recurse().notes)
    # A mistake in the text can make music21 raise any exception; each means that it is no tune.
    except Exception:
        return False
    # The line between two bars may belong to either of them.
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
