"""Songs as events, in all their transpositions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import write_corpus
from watching import Alive

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy
from ostinato.scores.sources import SPLITS
from ostinato.tokens.data import events
from ostinato.tokens.data.pairs import Pairs, apart
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.data.tokenizer import Tokenizer

CONFIG = {
    "tokenizer": "remi",
    "steps_per_beat": 4,
    "velocities": 127,
    "metres": ["3/4", "4/4", "6/4", "6/8"],
    "parts": [[0, 0, "Piano"], [32, 33, "Bass"]],
    "drums": True,
    "merges": [],
    "swing": None,
}
PARTS = [Part("Piano", 0), Part("Bass", 33), Part("Drums", 0, drums=True)]
SETTINGS = events.Settings("all", "remi", 4, 16, 0, [-1, 1])

NOTES = st.lists(
    st.tuples(
        st.integers(0, 60), st.integers(1, 16), st.integers(0, 127), st.integers(1, 127),
        st.integers(0, 2),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


def score_of(rows, metre=(4, 4), parts=PARTS, bpm=100.0):
    notes = [(on * 120, length * 120, *rest) for on, length, *rest in rows]
    return Score(tidy(np.array(notes, NOTE)), parts, [Metre(0, *metre)], [Tempo(0, bpm)])


def said(score):
    """What has to survive: drums have no length."""
    return sorted(
        (
            int(note["onset"]),
            0 if score.parts[note["part"]].drums else int(note["length"]),
            int(note["pitch"]),
            int(note["velocity"]),
            score.parts[note["part"]].program,
            score.parts[note["part"]].drums,
        )
        for note in score.notes
    )


@settings(deadline=None)
@given(NOTES, st.sampled_from(["remi", "tsd"]), st.sampled_from([(4, 4), (3, 4), (6, 8), (3, 2)]))
def test_notes_on_the_grid_come_back_as_they_were(rows, tokenizer, metre):
    score = score_of(rows, metre)
    reader = Tokenizer(CONFIG | {"tokenizer": tokenizer})
    again = reader.score_of(reader.names_of(score))
    assert said(again) == said(score)
    assert again.metres[0].bar == score.metres[0].bar
    assert again.tempi[0].bpm == pytest.approx(100, rel=0.03)


def test_without_velocities_and_with_one_part_tokens_say_neither():
    lone = CONFIG | {"velocities": 0, "parts": [[16, 19, "Organ"]], "drums": False}
    score = score_of([(0, 4, 60, 80, 0), (4, 4, 62, 80, 0)], parts=[Part("Organ", 19)])
    names = Tokenizer(lone).names_of(score)
    assert not any(name.startswith(("Velocity", "Program")) for name in names)
    again = Tokenizer(lone).score_of(names)
    assert again.parts == [Part("Organ", 19)]
    assert said(again) == said(score)


def test_tokens_in_any_order_are_a_score():
    names = Tokenizer(CONFIG).names_of(score_of([(0, 4, 60, 80, 0), (3, 1, 38, 80, 2)]))
    rng = np.random.default_rng(1)
    for _ in range(20):
        Tokenizer(CONFIG).score_of(rng.permutation(names).tolist())


def song(seed, parts=PARTS):
    rng = np.random.default_rng(seed)
    rows = [
        (beat * 4, 4, int(rng.integers(40, 80)), int(rng.integers(40, 90)), part)
        for beat in range(16)
        for part in range(len(parts))
    ]
    return score_of(rows, parts=parts)


@pytest.fixture
def corpus(tmp_path):
    splits = ["train", "train", "valid", "test"]
    return write_corpus(tmp_path / "corpus", {f"{i}": (s, song(i)) for i, s in enumerate(splits)})


def streams_of(tmp_path, corpus, **changes):
    out = tmp_path / "streams"
    out.mkdir()
    events.build(out, corpus, events.Settings(**{**vars(SETTINGS), **changes}), None)
    return Streams(out)


def names_of(streams, piece):
    return apart(streams.names[token] for token in piece)


@pytest.mark.parametrize("bpe", [0, 250])
def test_training_songs_come_in_every_transposition_and_drums_stay(tmp_path, corpus, bpe):
    streams = streams_of(tmp_path, corpus, bpe=bpe)
    train = [names_of(streams, piece) for piece in streams.pieces("train")]
    assert [len(streams.pieces(split)) for split in ("train", "valid", "test")] == [6, 1, 1]
    for first in (0, 3):
        for place, shift in ((1, -1), (2, 1)):
            pairs = list(zip(train[first], train[first + place], strict=True))
            moves = [
                int(b.split("_")[1]) - int(a.split("_")[1])
                for a, b in pairs
                if a.startswith("Pitch_")
            ]
            assert set(moves) == {shift}
            assert all(a == b for a, b in pairs if not a.startswith("Pitch_"))
    [test] = streams.pieces("test")
    found = events.score_of([streams.names[token] for token in test], streams.config)
    assert [(on, n, p) for on, n, p, *_ in said(found)] == [
        (o, n, p) for o, n, p, *_ in said(song(3))
    ]
    assert bool(bpe) == any(" " in name for name in streams.names)


def test_songs_are_written_one_by_one(tmp_path, monkeypatch):
    songs = {str(n): (SPLITS[n % 3], song(n)) for n in range(30)}
    alive = Alive()
    monkeypatch.setattr(events, "in_parallel", alive.in_parallel)
    streams = streams_of(tmp_path, write_corpus(tmp_path / "corpus", songs))
    assert [len(streams.pieces(split)) for split in SPLITS] == [30, 10, 10]
    assert alive.most < 6


def test_classes_are_found_again_by_name(tmp_path, corpus):
    streams = streams_of(tmp_path, corpus, bpe=250)
    [piece] = streams.pieces("test")
    names = names_of(streams, piece)
    found = events.classes_of(names, streams.config)
    assert names_of(streams, found) == names
    assert len(found) <= len(piece) + 2


@pytest.mark.parametrize("metre", [(6, 8), (2, 2), (5, 16)])
def test_songs_of_any_metre_are_written(tmp_path, metre):
    rows = [(step, 1, 60 + step % 7, 80, 0) for step in range(40)]
    songs = {s: (s, score_of(rows, metre)) for s in ("train", "valid", "test")}
    streams = streams_of(tmp_path, write_corpus(tmp_path / "corpus", songs), steps_per_beat=8)
    [piece] = streams.pieces("test")
    found = events.score_of([streams.names[token] for token in piece], streams.config)
    assert found.notes["onset"].tolist() == [120 * step for step in range(40)]
    assert found.metres[0].bar == Metre(0, *metre).bar


def test_drums_alone_are_not_transposed(tmp_path):
    rows = [(step, 1, 36 + step % 3, 80, 0) for step in range(16)]
    drums = [Part("Kit", 0, drums=True)]
    songs = {s: (s, score_of(rows, parts=drums)) for s in ("train", "valid", "test")}
    streams = streams_of(tmp_path, write_corpus(tmp_path / "corpus", songs))
    [piece] = streams.pieces("train")
    found = events.score_of([streams.names[token] for token in piece], streams.config)
    assert found.parts[0].drums
    assert set(found.notes["pitch"].tolist()) == {36, 37, 38}


def test_parts_that_no_song_has_are_one_line(tmp_path, corpus):
    with pytest.raises(UserError, match="none of the 4 songs can be used; 0: no notes in tokens"):
        streams_of(tmp_path, corpus, parts=["pino"])


def test_parts_are_chosen(tmp_path, corpus):
    streams = streams_of(tmp_path, corpus, parts=["drums"])
    assert not any("Program" in name for name in streams.names)
    out = files.read_table(tmp_path / "streams/rejected.csv")
    assert out == []


def test_a_song_without_the_parts_is_left_out(tmp_path):
    songs = {f"{i}": (s, song(i)) for i, s in enumerate(["train", "valid", "test"])}
    songs["solo"] = "train", song(9, PARTS[:1])
    streams = streams_of(tmp_path, write_corpus(tmp_path / "corpus", songs), parts=["drums"])
    [rejected] = files.read_table(tmp_path / "streams/rejected.csv")
    assert rejected == {"source": "solo", "reason": "no notes in tokens.events.parts"}
    assert len(streams.pieces("test")) == 1


def test_a_song_with_endless_bars_is_left_out(tmp_path):
    songs = {f"{i}": (s, song(i)) for i, s in enumerate(["train", "valid", "test"])}
    songs["endless"] = "train", score_of([(0, 4, 60, 80, 0)], (78, 1))
    streams_of(tmp_path, write_corpus(tmp_path / "corpus", songs))
    [rejected] = files.read_table(tmp_path / "streams/rejected.csv")
    assert rejected["reason"] == "a bar of 78/1 has over 255 quarter notes"


def test_pairs_join_what_is_frequent_and_nothing_over_bars():
    single = ["Bar", "a", "b", "c"]
    sequence = np.array([0, 1, 2, 1, 2, 0, 1, 2, 3, 0, 1, 2])
    pairs = Pairs.learned(single, [sequence] * 3, 6)
    assert pairs.names[4:] == ["a b", "Bar a b"]
    joined = [pairs.names[number] for number in pairs.join(sequence)]
    assert joined == ["Bar a b", "a b", "Bar a b", "c", "Bar a b"]
