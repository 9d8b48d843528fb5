import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ostinato.notes.data.rolls import (
    CLASS_OF_KEY,
    KEYS,
    LOWEST,
    pitch_classes,
    render_roll,
)
from ostinato.notes.data.songs import STEP_NOTE

rolls = arrays(np.uint8, (3, KEYS), elements=st.integers(0, 1))


def notes(*rows: tuple[int, int]) -> np.ndarray:
    return np.array([(0, onset, 1, pitch, 80, 0) for onset, pitch in rows], STEP_NOTE)


@given(rolls, st.integers(-6, 5))
def test_transposing_keys_rotates_their_classes(roll, shift):
    roll[:, :6] = roll[:, -6:] = 0  # nothing leaves the keyboard
    moved = np.roll(roll, shift, 1)
    assert (pitch_classes(moved) == np.roll(pitch_classes(roll), shift, 1)).all()


@given(rolls)
def test_a_class_sounds_when_one_of_its_keys_does(roll):
    classes = pitch_classes(roll)
    for c in range(12):
        assert (classes[:, c] == roll[:, c == CLASS_OF_KEY].any(1)).all()


def test_middle_c_is_class_0():
    assert CLASS_OF_KEY[60 - LOWEST] == 0


def test_a_roll_shows_its_window_and_silence_before_the_song():
    song = notes((0, 60), (2, 64), (5, 67))
    roll = render_roll(song, -2, 6)
    assert list(zip(*np.nonzero(roll), strict=True)) == [(2, 60 - LOWEST), (4, 64 - LOWEST)]


def test_transposition_loses_what_leaves_the_keyboard():
    song = notes((0, 21), (0, 60), (1, 108))
    assert (render_roll(song, 0, 2, -1) > 0).sum(1).tolist() == [1, 1]
    assert (render_roll(song, 0, 2, 1) > 0).sum(1).tolist() == [2, 0]


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(59, 61), st.integers(1, 127)),
        max_size=8,
        unique_by=lambda note: (note[0], note[2]),
    ),
    st.integers(-3, 12),
)
def test_a_held_note_stands_from_its_onset_to_its_end(rows, start):
    song = np.array([(0, *row, 0) for row in sorted(rows)], STEP_NOTE)
    expected = np.zeros((10, KEYS), int)
    struck = np.zeros((10, KEYS), int)
    for onset, length, pitch, velocity in sorted(rows):
        for step in range(onset, onset + length):
            if start <= step < start + 10:
                expected[step - start, pitch - LOWEST] = velocity
        if start <= onset < start + 10:
            struck[onset - start, pitch - LOWEST] = velocity
    found = render_roll(song, start, 10, representation="holding")
    assert ((found > 0) == (expected > 0)).all()
    assert (found[struck > 0] == struck[struck > 0]).all()
    assert (render_roll(song, start, 10) == struck).all()
    whole = render_roll(song, start, 10, representation="notes")
    assert ((whole != 0) == (expected > 0)).all()
    assert (np.maximum(whole, 0) == struck).all()
