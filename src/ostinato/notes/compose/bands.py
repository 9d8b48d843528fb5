"""Songs of several instruments that go on: who plays which note, and what the drums do."""

import numpy as np

from ostinato.scores.score import NOTE, Metre, Score

REMEMBERED, REPEATED = 16, 4
"""So many of the last bars tell how high an instrument plays; and so many the drums play again."""


def by_height(notes: np.ndarray, score: Score, begin: int, bar: int) -> np.ndarray:
    """Give each note to the instrument that last played nearest to it.

    Parameters
    ----------
    notes : ndarray[NOTE]
        New notes.
    score : Score
        What was played, with a note that has pitch at least.
    begin, bar : int
        When the new notes begin, and the length of a bar, in ticks.

    Returns
    -------
    ndarray[NOTE]
    """
    known = score.pitched
    lately = known[known["onset"] >= begin - REMEMBERED * bar]
    known = lately if len(lately) else known
    parts = np.unique(known["part"])
    height = np.array([np.median(known["pitch"][known["part"] == part]) for part in parts])
    divided = notes.copy()
    distance = np.abs(notes["pitch"].astype(float)[:, None] - height)
    divided["part"] = parts[distance.argmin(1)]
    return divided


def drums_again(score: Score, begin: int, bars: int, metre: Metre) -> np.ndarray:
    """Repeat what the drums played in the last bars, unless they were silent.

    Parameters
    ----------
    score : Score
    begin, bars : int
        At which tick they begin again, and for how many bars.
    metre : Metre
        Of the last bars, and of the new ones.

    Returns
    -------
    ndarray[NOTE]
        New notes.
    """
    again = min(REPEATED, max((begin - metre.tick) // metre.bar, 1)) * metre.bar
    notes = score.notes[score.drums]
    notes = notes[notes["onset"] >= begin - again]
    end = begin + bars * metre.bar
    found = []
    for late in range(again, end - begin + again, again):
        copy = notes.copy()
        copy["onset"] += late
        found.append(copy[(copy["onset"] >= begin) & (copy["onset"] < end)])
    return np.concatenate([np.zeros(0, NOTE), *found])
