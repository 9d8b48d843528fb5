import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato import files
from ostinato.errors import UserError
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo
from ostinato.tokens import chords
from ostinato.tokens.streams import Streams

PITCHES = st.lists(st.integers(0, 127), min_size=1, max_size=6, unique=True).map(sorted)


def score(*chords_, drums=()):
    notes = [(480 * i, 240, pitch, 80, 0) for i, chord in enumerate(chords_) for pitch in chord]
    notes += [(480 * i, 240, 38, 80, 1) for i in drums]
    parts = [Part("a"), Part("b", drums=True)]
    return Score(np.sort(np.array(notes, NOTE)), parts, [Metre(0, 4, 4)], [Tempo(0, 100)])


def test_tokens_are_those_of_the_notebook():
    piece = score([66], [48, 64, 67], [48, 60], [0], drums=[9])
    assert chords.tokens_of(piece, octaves=False) == ["F#4", "0.4.7", "0", "C-1"]
    assert chords.tokens_of(piece, octaves=True) == ["66", "48.64.67", "48.60", "0"]


@given(st.lists(PITCHES, max_size=8))
def test_with_octaves_nothing_but_time_is_lost(played):
    tokens = chords.tokens_of(score(*played), octaves=True)
    assert [chords.pitches_of(token, octaves=True) for token in tokens] == played
    assert chords.tokens_of(chords.score_of(tokens, octaves=True), octaves=True) == tokens


@given(st.lists(PITCHES, max_size=8))
def test_without_octaves_pitch_classes_are_kept_and_lone_notes_are_exact(played):
    tokens = chords.tokens_of(score(*played), octaves=False)
    for token, pitches in zip(tokens, played, strict=True):
        found = chords.pitches_of(token, octaves=False)
        assert {pitch % 12 for pitch in found} == {pitch % 12 for pitch in pitches}
        assert found == pitches or len(pitches) > 1


@given(PITCHES, st.integers(-48, 48), st.booleans())
def test_a_transposed_token_is_that_of_transposed_notes(played, semitones, octaves):
    moved = [pitch + semitones for pitch in played]
    [token] = chords.tokens_of(score(played), octaves)
    found = chords.shifted(token, semitones, octaves)
    if moved[0] >= 0 and moved[-1] <= 127:
        assert [found] == chords.tokens_of(score(moved), octaves)
    elif octaves or len(played) == 1:
        assert found == ""


@pytest.mark.parametrize("token", ["H4", "C#", "0..4", "x", ""])
def test_what_is_no_token_is_named(token):
    with pytest.raises(UserError, match="neither a note, such as F#4, nor a chord"):
        chords.pitches_of(token, octaves=False)


def corpus(tmp_path, songs):
    """A corpus of scores: source to split and score."""
    rows = []
    for number, (source, (split, piece)) in enumerate(songs.items()):
        files.write(tmp_path / "corpus/midi" / f"{number}.mid", midi_bytes(piece))
        rows.append(
            {"id": str(number), "title": "", "source": source, "metre": "4/4", "split": split}
        )
    files.write_table(tmp_path / "corpus/songs.csv", list(rows[0]), rows)
    return tmp_path / "corpus"


SONGS = {
    "bach/a.mid": ("train", score([60], [60, 64, 67], [62])),
    "bach/b.mid": ("valid", score([61], [61, 64])),
    "haydn/c.mid": ("test", score([60, 64, 67], [65])),
}


def built(tmp_path, songs, labels=None, octaves=False, shifts=(0, 2)):
    out = tmp_path / "out"
    out.mkdir()
    chords.build(out, corpus(tmp_path, songs), octaves, list(shifts), labels)
    return Streams(out)


def names(streams, tokens):
    return [streams.names[token] for token in tokens]


def test_streams_hold_the_songs_of_each_split(tmp_path):
    streams = built(tmp_path, SONGS)
    assert names(streams, streams["train"]) == ["", "C4", "0.4.7", "D4", ""]
    assert names(streams, streams["valid"]) == ["", "C#4", "1.4", ""]
    assert names(streams, streams["test"]) == ["", "0.4.7", "F4", ""]


def test_windows_are_transposed(tmp_path):
    streams = built(tmp_path, SONGS)
    window = streams.windows(np.array([0, 1, 0]), np.array([0, 1, 2]), 4)
    assert [names(streams, row) for row in window] == [
        ["", "C4", "0.4.7", "D4"],
        ["C#4", "1.5.8", "D#4", ""],
        ["", "D4", "2.6.9", "E4"],
    ]
    # What was never learned in any key has no place in the table.
    assert streams.shifts[1, streams.names.index("F4")] == -1


def test_a_transposition_that_leaves_midi_is_left_out(tmp_path):
    songs = SONGS | {"bach/a.mid": ("train", score([126], [125, 127]))}
    assert len(built(tmp_path, songs, octaves=True).shifts) == 1


def test_songs_are_labelled_by_their_folders(tmp_path):
    streams = built(tmp_path, SONGS, labels="one")
    assert streams.labels == ["bach", "haydn"]
    assert streams.targets("test").tolist() == [[0, 1]]


def test_a_song_without_notes_is_left_out(tmp_path):
    songs = SONGS | {"bach/d.mid": ("train", score(drums=[1]))}
    streams = built(tmp_path, songs)
    assert len(streams.pieces("train")) == 1
    [rejected] = files.read_table(tmp_path / "out/rejected.csv")
    assert rejected == {"source": "bach/d.mid", "reason": "no notes"}
