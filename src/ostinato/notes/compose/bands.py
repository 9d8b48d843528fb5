"""Songs of several instruments that go on: who plays which note, and what the drums do."""

import numpy as np

from ostinato.scores.score import NOTE, Metre, Score

REMEMBERED, REPEATED = 16, 4
"""So many bars before and after a note tell how high an instrument plays; and so many of the last
ones the drums play again."""


def by_height(notes: np.ndarray, score: Score, bar: int) -> np.ndarray:
    """Give each note to the instrument that plays nearest to it in the bars around it.

    Parameters
    ----------
    notes : ndarray[NOTE]
        New notes.
    score : Score
        What is played, with a note that has pitch at least.
    bar : int
        The length of a bar, in ticks.

    Returns
    -------
    ndarray[NOTE]
    """
    known, divided = score.pitched, notes.copy()
    onset = known["onset"].astype(int)
    bars = np.minimum(notes["onset"].astype(int), onset.max()) // bar
    for number in np.unique(bars).tolist():
        near = np.abs(onset - number * bar) <= REMEMBERED * bar
        around = known[near] if near.any() else known
        parts = np.unique(around["part"])
        height = np.array([np.median(around["pitch"][around["part"] == part]) for part in parts])
        now = bars == number
        distance = np.abs(notes["pitch"][now].astype(float)[:, None] - height)
        divided["part"][now] = parts[distance.argmin(1)]
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
