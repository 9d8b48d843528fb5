import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import write_corpus
from watching import Alive

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo
from ostinato.scores.sources import SPLITS
from ostinato.tokens.data import chords
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.data.windows import Windows

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


SONGS = {
    "bach/a.mid": ("train", score([60], [60, 64, 67], [62])),
    "bach/b.mid": ("valid", score([61], [61, 64])),
    "haydn/c.mid": ("test", score([60, 64, 67], [65])),
}


def built(tmp_path, songs, labelling=None, octaves=False, shifts=(0, 2)):
    out = tmp_path / "out"
    out.mkdir()
    chords.build(out, write_corpus(tmp_path / "corpus", songs), octaves, list(shifts), labelling)
    return Streams(out)


def names(streams, tokens):
    return [streams.names[int(token)] for token in tokens]


def test_streams_hold_the_songs_of_each_split(tmp_path):
    streams = built(tmp_path, SONGS)
    assert names(streams, streams["train"]) == ["", "C4", "0.4.7", "D4", ""]
    assert names(streams, streams["valid"]) == ["", "C#4", "1.4", ""]
    assert names(streams, streams["test"]) == ["", "0.4.7", "F4", ""]


def test_windows_are_transposed(tmp_path):
    streams = built(tmp_path, SONGS)
    windows, lengths = Windows(streams, 4).cut(np.zeros(3, int), np.arange(3))
    assert [names(streams, row[: n + 1]) for row, n in zip(windows, lengths, strict=True)] == [
        ["", "C4", "0.4.7", "D4", ""],
        ["", "C#4", "1.5.8", "D#4", ""],
        ["", "D4", "2.6.9", "E4", ""],
    ]
    # What was never learned in any key has no place in the table.
    assert streams.shifts[1, streams.names.index("F4")] == -1


def test_a_transposition_that_leaves_midi_is_none(tmp_path):
    high = score([126], [125, 127])
    streams = built(tmp_path, SONGS | {"bach/d.mid": ("train", high)}, octaves=True)
    # Its second piece stays where it is.
    windows, _ = Windows(streams, 2).cut(np.array([1, 6]), np.array([2, 2]))
    assert names(streams, windows[0]) == ["", "62", "62.66.69"]
    assert names(streams, windows[1]) == ["", "126", "125.127"]
    plain, _, moved = streams.transpositions()
    assert names(streams, plain) == names(streams, streams["train"])
    assert names(streams, moved) == ["", "62", "62.66.69", "64", ""]


def test_songs_are_labelled_by_their_folders(tmp_path):
    songs = SONGS | {"haydn/e.mid": ("train", score([60]))}
    streams = built(tmp_path, songs, labelling="one")
    assert streams.labels == ["bach", "haydn"]
    assert streams.targets("test").tolist() == [[0, 1]]


def test_a_held_out_song_with_a_label_that_none_to_learn_from_has_is_left_out(tmp_path):
    songs = SONGS | {"liszt/f.mid": ("train", score([60])), "ravel/g.mid": ("test", score([62]))}
    songs["haydn/e.mid"] = ("train", score([64]))
    streams = built(tmp_path, songs, labelling="one")
    assert streams.labels == ["bach", "haydn", "liszt"]
    assert len(streams.pieces("test")) == 1
    reason = "no piece to learn from is called 'ravel'"
    [rejected] = files.read_table(tmp_path / "out" / "rejected.csv")
    assert rejected == {"source": "ravel/g.mid", "reason": reason}


def test_songs_are_written_one_by_one(tmp_path, monkeypatch):
    songs = {str(n): (SPLITS[n % 3], score([40 + n], [60])) for n in range(60)}
    alive = Alive()
    monkeypatch.setattr(chords, "in_parallel", alive.in_parallel)
    streams = built(tmp_path, songs)
    assert sum(len(streams.pieces(split)) for split in SPLITS) == 60
    assert alive.most < 6


def test_songs_of_one_folder_cannot_be_classified(tmp_path):
    with pytest.raises(UserError, match="only 'bach' is there to learn from"):
        built(tmp_path, SONGS, labelling="one")


def test_a_corpus_without_test_songs_is_one_line(tmp_path):
    songs = {source: song for source, song in SONGS.items() if song[0] != "test"}
    with pytest.raises(UserError, match="nothing is left for test"):
        built(tmp_path, songs)


def test_notes_struck_nearly_together_are_a_chord():
    notes = [(0, 240, 60, 80, 0), (12, 240, 64, 80, 0), (24, 240, 67, 80, 0), (60, 9, 72, 80, 0)]
    played = Score(np.array(notes, NOTE), [Part()], [Metre(0, 4, 4)], [Tempo(0, 100)])
    assert chords.tokens_of(played, octaves=False) == ["0.4.7", "C5"]


def test_a_song_without_notes_is_left_out(tmp_path):
    songs = SONGS | {"bach/d.mid": ("train", score(drums=[1]))}
    streams = built(tmp_path, songs)
    assert len(streams.pieces("train")) == 1
    [rejected] = files.read_table(tmp_path / "out/rejected.csv")
    assert rejected == {"source": "bach/d.mid", "reason": "no notes"}
