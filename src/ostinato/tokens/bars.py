"""Whether a tune in ABC can be read, and whether its bars add up."""

import warnings
from fractions import Fraction
from itertools import pairwise

import music21

HEAD = "X:1\n"
"""What ABC wants a tune to begin with, and `ostinato.tokens.tunes` leaves out."""


def adds_up(tune: str) -> bool:
    """Read a tune, and say whether each of its bars is as long as its metre wants.

    A bar may be shorter where a section begins or ends: the first one, the last one, and those
    beside a repeat sign or a double bar line. There are two bars at least.

    Parameters
    ----------
    tune : str
        Fields and music, as from `ostinato.tokens.tunes.clean`.

    Returns
    -------
    bool
        False, too, where music21 cannot read it.
    """
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
            whole = Fraction(metre.barDuration.quarterLength)
    # music21 raises whatever a mistake in the text leads to; each says that it is no tune.
    except Exception:
        return False
    # Where two bars meet, the line may belong to either.
    begins = [*(_edge(bar.leftBarline) for bar in bars), True]
    ends = [True, *(_edge(bar.rightBarline) for bar in bars)]
    lines = [begin or end for begin, end in zip(begins, ends, strict=True)]
    edges = [before or after for before, after in pairwise(lines)]
    return len(bars) > 1 and all(
        length == whole or (length < whole and edge)
        for length, edge in zip(lengths, edges, strict=True)
    )


def _edge(line: music21.bar.Barline | None) -> bool:
    return line is not None and line.type != "regular"
