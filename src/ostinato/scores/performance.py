"""Performances: notes in seconds, as a recording has them."""

import numpy as np

from ostinato.scores.score import (
    TICKS_PER_BEAT,
    VELOCITY,
    Metre,
    Part,
    Score,
    Tempo,
    note_array,
    seconds,
    tidy,
)

PLAYED = np.dtype([("start", "<f8"), ("end", "<f8"), ("pitch", "u1"), ("program", "u1")])
"""A note that sounds: when it starts and is released, in seconds; its MIDI pitch and instrument."""

CUT = 0.03
"""Notes that end so many seconds before the end of a performance, at most, are cut off by it."""
BPM = 120.0
"""The tempo of the score of a performance, which means nothing."""


def played(score: Score, before: float = 0.0) -> np.ndarray:
    """List when the pitched notes of a score sound.

    Parameters
    ----------
    score : Score
    before : float
        Seconds of silence before it.

    Returns
    -------
    ndarray[PLAYED]
        In the order of the score.
    """
    pitched = score.pitched
    notes = np.zeros(len(pitched), PLAYED)
    notes["start"] = before + seconds(score, pitched["onset"])
    notes["end"] = before + seconds(score, pitched["onset"] + pitched["length"])
    notes["pitch"] = pitched["pitch"]
    notes["program"] = [score.parts[part].program for part in pitched["part"]]
    return notes


def score_of(notes: np.ndarray, title: str = "") -> Score:
    """Write a performance as a score, whose metre is not known.

    Parameters
    ----------
    notes : ndarray[PLAYED]
    title : str

    Returns
    -------
    Score
        With a part for each instrument.
    """
    ticks = np.rint(np.stack([notes["start"], notes["end"]]) * BPM / 60 * TICKS_PER_BEAT)
    onset, end = ticks.astype(int)
    programs, part = np.unique(notes["program"], return_inverse=True)
    lengths = np.maximum(end - onset, 1)
    pitches = notes["pitch"].astype(int)
    rows = zip(
        onset.tolist(), lengths.tolist(), pitches.tolist(), [VELOCITY] * len(notes), part.tolist(),
        strict=True,
    )  # fmt: skip
    return Score(
        tidy(note_array(list(rows))),
        [Part(program=int(program)) for program in programs],
        [Metre(0, 4, 4)],
        [Tempo(0, BPM)],
        title,
        metre_known=False,
    )
