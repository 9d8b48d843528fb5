"""Which chords pieces end on."""

import numpy as np

from ostinato.notes.report.endings import endings, final_chord, last_chords, tonic

C = 39  # the key of middle C
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def piece(*chords: tuple[int, tuple[int, ...]], bar: int = 4) -> np.ndarray:
    """A bar for each chord: how many semitones above C, and its intervals."""
    roll = np.zeros((bar * len(chords), 88), np.int8)
    for number, (above, intervals) in enumerate(chords):
        roll[number * bar : (number + 1) * bar, [C + above + i for i in intervals]] = 1
    return roll


CADENCE = (0, MAJOR), (5, MAJOR), (7, MAJOR), (0, MAJOR)


def test_the_tonic_is_that_of_the_key():
    assert tonic(piece(*CADENCE)) == 0
    for above in range(12):
        assert tonic(piece(*((root + above, chord) for root, chord in CADENCE))) == above
    assert tonic(piece((0, MINOR), (5, MINOR), (7, MAJOR), (0, MINOR))) == 0
    assert tonic(piece((0, ()))) == 0


def test_the_final_chord_is_the_last_that_sounds():
    assert final_chord(piece((0, MAJOR), (7, MINOR))) == (7, frozenset(MINOR))
    assert final_chord(piece((2, MAJOR), (0, ()))) == (2, frozenset(MAJOR))
    assert final_chord(piece((2, (0, 12, 16)))) == (2, frozenset({0, 4}))
    assert final_chord(piece((0, ()))) is None


def test_endings_are_of_the_last_bar():
    known = last_chords([piece((3, MAJOR)), piece((0, ()))])
    assert known == {frozenset(MAJOR)}
    pieces = [
        piece(*CADENCE),
        piece(*CADENCE[:3]),  # ends on the dominant
        piece(*CADENCE, (0, ())),  # ends before the last bar
        piece((0, MAJOR), (0, MINOR)),
    ]
    assert endings(pieces, [4] * 4, known) == {"like_songs": 0.5, "on_tonic": 0.25}
