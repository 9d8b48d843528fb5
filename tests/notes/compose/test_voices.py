"""How notes are divided among voices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.compose.voices import Voices, separate, silent, unisons
from ostinato.scores.score import NOTE


def notes_of(*lines: list[tuple[int, int, int]]) -> tuple[np.ndarray, list[int]]:
    """Notes from lines of (onset, length, pitch), and the line of each."""
    rows = sorted((*note, voice) for voice, line in enumerate(lines) for note in line)
    rows.sort(key=lambda row: (row[0], row[2]))
    notes = np.array([(onset, length, pitch, 80, 0) for onset, length, pitch, _ in rows], NOTE)
    return notes, [row[3] for row in rows]


def line(pitches: list[int | None], length: int = 4) -> list[tuple[int, int, int]]:
    return [(i * length, length, pitch) for i, pitch in enumerate(pitches) if pitch]


def test_voices_go_on_where_they_were():
    notes, voices = notes_of(
        line([72, 74, 76, 74, 72]),
        line([67, 67, 67, 65, 64]),
        line([60, 59, 60, 60, 55]),
        line([48, 55, 48, 53, 48]),
    )
    assert separate(notes, silent(4)).tolist() == voices


def test_a_voice_that_rests_comes_back():
    notes, voices = notes_of(line([72, 74, 76, 74]), line([67, None, None, 67]), line([52, 53] * 2))
    assert separate(notes, silent(3)).tolist() == voices


def test_voices_may_cross_where_they_move_by_step():
    """The lower one passes the upper one, which would have to leap otherwise."""
    one, two = line([70, 69, 67, 66]), line([60, 64, 68, 72])
    notes, voices = notes_of(one, two, line([36] * 4))
    found = separate(notes, silent(3)).tolist()
    assert found[:6] == voices[:6]


def test_what_was_before_decides_who_rests():
    notes, _ = notes_of(line([72, 71]), line([60, 59]))
    high, low = (np.array(pitches) for pitches in ([72.0, 66.0, 60.0], [78.0, 72.0, 60.0]))
    assert separate(notes, Voices(high, np.zeros(3, int))).tolist() == [2, 0, 2, 0]
    assert separate(notes, Voices(low, np.zeros(3, int))).tolist() == [2, 1, 2, 1]


def test_a_voice_that_still_sings_gets_no_other_note():
    notes, _ = notes_of(line([71, 72]), line([59, 60]))
    before = Voices(np.array([74.0, 71.0, 59.0]), np.array([8, 4, 0]))
    assert separate(notes, before).tolist()[:2] == [2, 2]
    before = Voices(np.array([74.0, 71.0, 59.0]), np.array([8, 0, 0]))
    assert separate(notes, before).tolist() == [2, 1, 2, 1]


def test_a_voice_sings_several_notes_where_there_are_too_many():
    notes, _ = notes_of(line([72, 72, 72]), line([67, 67, 67]), line([48, 48, 48]), [(4, 2, 70)])
    found = separate(notes, silent(3))
    kept = notes["pitch"] != 70
    assert found[kept].tolist() == [2, 1, 0] * 3
    assert found[~kept].tolist() == [0]
    assert separate(notes[:0], silent(4)).tolist() == []


rolls = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 6), st.integers(40, 80)), min_size=1, max_size=20
)


@pytest.mark.parametrize("count", [1, 2, 4])
@given(rolls)
def test_each_voice_sings_one_note_at_a_time_if_there_are_enough(count, rows):
    notes = np.unique(np.array([(*row, 80, 0) for row in rows], NOTE))
    notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    ends = notes["onset"] + notes["length"]
    most = max(int(((notes["onset"] <= t) & (ends > t)).sum()) for t in range(20))
    found = separate(notes, silent(count))
    assert set(found) <= set(range(count))
    if most <= count:
        for voice in range(count):
            own = notes[found == voice]
            assert (own["onset"][1:] >= own["onset"][:-1] + own["length"][:-1]).all()


@pytest.mark.parametrize(
    ("upper", "found"),
    [
        ([(0, 480, 67), (960, 480, 65)], [(480, 480, 64)]),
        # The lower voice holds its note.
        ([(0, 480, 67), (720, 480, 65)], [(480, 240, 64)]),
        # Only the lower voice begins in the middle of the rest; the upper one is too far from it.
        ([(0, 240, 67), (960, 480, 65)], []),
        ([(0, 480, 79), (960, 480, 77)], []),
    ],
)
def test_a_voice_that_rests_while_its_neighbour_sings_a_note_sings_it_too(upper, found):
    notes, voices = notes_of(upper, [(0, 480, 60), (480, 480, 64), (960, 480, 60)])
    notes["part"] = voices
    more = unisons(notes, [0, 1])
    rows = [(int(n["onset"]), int(n["length"]), int(n["pitch"])) for n in more]
    assert rows == found
    assert (more["part"] == 0).all()
