from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make_score, melody, raw_midi

from ostinato.scores.midi import midi_bytes, read_midi
from ostinato.scores.score import MAX_BEATS, NOTE, Metre, Part, Score, Tempo, UnreadableScore, tidy


def read(data: bytes, tmp_path: Path, pickup: bool = False) -> Score:
    path = tmp_path / "song.mid"
    path.write_bytes(data)
    return read_midi(path, pickup)


@st.composite
def scores(draw):
    parts = draw(
        st.lists(st.builds(Part, st.just("x"), st.integers(0, 127)), min_size=1, max_size=4)
    )
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 5000),
                st.integers(1, 2000),
                st.integers(0, 127),
                st.integers(1, 127),
                st.integers(0, len(parts) - 1),
            ),
            min_size=1,
            max_size=30,
        )
    )
    notes = tidy(np.array(rows, NOTE))
    used = np.unique(notes["part"])
    notes["part"] = np.searchsorted(used, notes["part"])
    unit = draw(st.sampled_from([2, 4, 8]))
    tempi = draw(st.lists(st.integers(1, 5000), unique=True, max_size=3).map(sorted))
    return Score(
        notes,
        [parts[i] for i in used],
        [Metre(0, draw(st.integers(1, 12)), unit)],
        [Tempo(0, 120.0), *(Tempo(tick, 60.0 + 10 * i) for i, tick in enumerate(tempi))],
        draw(st.sampled_from(["", "Größe"])),
    )


@given(scores())
def test_what_is_written_is_read_again(tmp_path_factory, score):
    again = read(midi_bytes(score), tmp_path_factory.mktemp("midi"))
    assert again.notes.tolist() == score.notes.tolist()
    assert again.parts == score.parts
    assert again.metres == score.metres
    assert again.title == score.title
    assert [t.tick for t in again.tempi] == [t.tick for t in score.tempi]
    np.testing.assert_allclose([t.bpm for t in again.tempi], [t.bpm for t in score.tempi], 1e-5)


def test_the_same_score_gives_the_same_bytes():
    assert midi_bytes(melody(1)) == midi_bytes(melody(1))


def test_other_resolutions_become_480_ticks(tmp_path):
    on = mido.Message("note_on", note=60, velocity=70, time=0)
    off = mido.Message("note_off", note=60, time=96)
    later = mido.Message("note_on", note=62, velocity=70, time=48)
    end = mido.Message("note_off", note=62, time=1)
    score = read(raw_midi([on, off, later, end], resolution=96), tmp_path)
    assert score.notes[["onset", "length"]].tolist() == [(0, 480), (720, 5)]


def test_a_tempo_change_does_not_move_notes_off_the_beat(tmp_path):
    notes = make_score([(beat * 480, 480, 60 + beat) for beat in range(8)])
    score = Score(notes.notes, notes.parts, notes.metres, [Tempo(0, 90), Tempo(700, 133.7)])
    assert read(midi_bytes(score), tmp_path).notes["onset"].tolist() == list(range(0, 3840, 480))


def test_a_short_first_bar_of_its_own_is_a_pickup(tmp_path):
    score = make_score([(0, 480, 60), (480, 480, 62)])
    metres = [Metre(0, 1, 4), Metre(480, 4, 4)]
    data = midi_bytes(Score(score.notes, score.parts, metres, score.tempi))
    assert read(data, tmp_path).metre == "1/4 4/4"
    again = read(data, tmp_path, pickup=True)
    assert again.notes["onset"].tolist() == [1440, 1920]
    assert again.metre == "4/4"


def test_drums_are_kept_apart(tmp_path):
    drums = Score(
        make_score([(0, 100, 38)]).notes,
        [Part("Kit", 0, drums=True)],
        [Metre(0, 4, 4)],
        [Tempo(0, 120)],
    )
    again = read(midi_bytes(drums), tmp_path)
    assert len(again.notes) == 1
    assert len(again.pitched) == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"Dear diary, today I wrote a song.", "not a MIDI file"),
        (b"MThd" + bytes(2_000_000), "bytes of MIDI, more than"),
    ],
)
def test_what_is_no_midi_says_why(tmp_path, data, reason):
    with pytest.raises(UnreadableScore, match=reason):
        read(data, tmp_path)


def test_three_hours_at_a_brisk_tempo_are_too_long(tmp_path):
    three_hours = 3 * 60 * 120
    assert three_hours > MAX_BEATS
    notes = [
        mido.Message("note_on", note=60, velocity=70, time=three_hours * 96),
        mido.Message("note_off", note=60, time=96),
    ]
    with pytest.raises(UnreadableScore, match="beats long, more than"):
        read(raw_midi(notes, resolution=96), tmp_path)


def test_a_long_slow_piece_is_read(tmp_path):
    three_hours = 3 * 60 * 60
    score = make_score([(0, 480, 60), (three_hours * 480, 480, 62)])
    assert read(midi_bytes(score), tmp_path).notes["onset"][-1] == three_hours * 480
