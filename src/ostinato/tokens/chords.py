"""Scores as sequences of notes and chords, one token for whatever is struck together.

As the third notebook writes them: a single note by its pitch name, such as ``F#4``; a chord by its
pitch classes joined with dots, such as ``0.4.7``, so that a lone number is a chord in octaves. Times
and lengths are lost, and so are the octaves of chords, unless full pitches are asked for: then every
token is the MIDI pitches joined with dots, such as ``48.64.67``.
"""

import re

import numpy as np

from ostinato.scores.score import Score

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NOTE = re.compile(r"([A-G]#?)(-?\d)")

CHORD_OCTAVE = 60
"""Chords of which only the pitch classes are known are played from middle C on."""


def tokens_of(score: Score, full: bool) -> list[str]:
    """Write a score as tokens.

    Parameters
    ----------
    score : Score
    full : bool
        Whether chords keep their octaves.

    Returns
    -------
    list of str
        A token for each time at which something is struck.
    """
    notes = score.pitched
    onsets = np.unique(notes["onset"], return_index=True)[1][1:]
    found = []
    for chord in np.split(notes["pitch"], onsets) if len(notes) else []:
        pitches = np.unique(chord).tolist()
        if full:
            found.append(".".join(map(str, pitches)))
        elif len(pitches) == 1:
            found.append(f"{NAMES[pitches[0] % 12]}{pitches[0] // 12 - 1}")
        else:
            found.append(".".join(map(str, sorted({pitch % 12 for pitch in pitches}))))
    return found


def pitches_of(token: str, full: bool) -> list[int]:
    """Read a token.

    Parameters
    ----------
    token : str
        From `tokens_of`.
    full : bool
        As there.

    Returns
    -------
    list of int
        MIDI pitches, the lowest first.
    """
    if note := _NOTE.fullmatch(token):
        return [NAMES.index(note[1]) + 12 * (int(note[2]) + 1)]
    numbers = [int(number) for number in token.split(".")]
    return numbers if full else [CHORD_OCTAVE + number for number in numbers]
