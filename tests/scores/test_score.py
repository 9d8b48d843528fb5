import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from making import make_score

from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy, top_voice, voices_of

notes = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(0, 20), st.integers(60, 63), st.just(80), st.integers(0, 1)
    ),
    max_size=30,
).map(lambda rows: np.array(rows, NOTE))


@given(notes)
def test_tidy_notes_of_one_key_do_not_overlap_and_none_is_lost(given_notes):
    tidied = tidy(given_notes)
    places = {tuple(note) for note in given_notes[["part", "pitch", "onset"]].tolist()}
    assert {tuple(note) for note in tidied[["part", "pitch", "onset"]].tolist()} == places
    assert (np.diff(tidied["onset"]) >= 0).all()
    for part, pitch in {(part, pitch) for part, pitch, _ in places}:
        key = tidied[(tidied["part"] == part) & (tidied["pitch"] == pitch)]
        assert (key["length"] >= 1).all()
        assert (key["onset"][:-1] + key["length"][:-1] <= key["onset"][1:]).all()


@given(notes)
def test_tidy_is_done_once(given_notes):
    once = tidy(given_notes)
    assert (tidy(once) == once).all()


def test_top_voice_skips_inner_notes_under_a_held_one():
    held = make_score([(0, 960, 72), (480, 480, 60), (960, 480, 71), (960, 480, 55)])
    assert top_voice(held.notes).tolist() == [72, 71]


def test_top_voice_does_not_depend_on_parts():
    score = make_score([(0, 480, 60), (0, 480, 67), (480, 480, 65)])
    split = score.notes.copy()
    split["part"] = [1, 0, 2]
    assert top_voice(split).tolist() == top_voice(score.notes).tolist() == [67, 65]


def test_delayed_moves_notes_and_later_changes_but_not_the_first_metre():
    score = make_score([(0, 480, 60)]).delayed(1440)
    assert score.notes["onset"].tolist() == [1440]
    assert score.metres[0].tick == score.tempi[0].tick == 0


def test_voices_are_parts_that_sound_one_note_at_a_time():
    def score(*parts: list[tuple[int, int, int]], drums: int | None = None) -> Score:
        rows = [(*note, 80, part) for part, line in enumerate(parts) for note in line]
        names = [Part(str(part), drums=part == drums) for part in range(len(parts))]
        return Score(tidy(np.array(rows, NOTE)), names, [Metre(0, 4, 4)], [Tempo(0, 100)])

    low, high = [(0, 480, 50), (480, 480, 52)], [(0, 240, 70), (240, 720, 72)]
    assert voices_of(score(low, high)) == [1, 0]
    assert voices_of(score(low, [], high)) == [2, 0]
    assert voices_of(score(low, [*high, (300, 100, 60)])) == []
    assert voices_of(score(low)) == []
    assert voices_of(score(low, high, drums=1)) == []
    assert voices_of(score(*[low] * 7)) == []
