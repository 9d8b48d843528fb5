"""What of a piece was given, not composed, in words that tables have: pieces.csv."""

import numpy as np

from ostinato.scores.score import Score


def before(tick: int) -> str:
    """All notes that begin before a tick."""
    return str(tick)


def part(number: int) -> str:
    """The notes of a part."""
    return f"part {number}"


def outside(begin: int, end: int) -> str:
    """All notes but those that begin from a tick on and before another."""
    return f"outside {begin} {end}"


def beginning(given: str) -> int:
    """The tick before which all notes were given; 0 if others were, or none."""
    return int(given) if given.isdecimal() else 0


def mask(score: Score, given: str) -> np.ndarray:
    """Mark the notes that were given.

    Parameters
    ----------
    score : Score
    given : str
        What a function of this module returned, or an empty string: nothing.

    Returns
    -------
    ndarray[bool], shape [notes]
    """
    onset = score.notes["onset"]
    what, *numbers = given.split() or ["0"]
    if what == "part":
        return score.notes["part"] == int(numbers[0])
    if what == "outside":
        begin, end = map(int, numbers)
        return (onset < begin) | (onset >= end)
    return onset < int(what)
