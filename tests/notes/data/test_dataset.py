import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import FILTERS, make_score, melody, write_corpus
from watching import Alive

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.notes.data import dataset
from ostinato.notes.data.dataset import quantise, rejection
from ostinato.notes.data.songs import Songs
from ostinato.scores import corpus
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo
from ostinato.scores.sources import SPLITS


def test_halves_go_up_and_nothing_is_shorter_than_a_step():
    score = make_score([(60, 10, 60), (59, 10, 61), (180, 300, 62)])
    rows = quantise(score, 4)[["onset", "length", "pitch"]].tolist()
    assert rows == [(0, 1, 61), (1, 1, 60), (2, 2, 62)]


def test_one_key_struck_twice_at_a_step_is_one_note():
    score = make_score([(0, 480, 60), (0, 480, 64)])
    doubled = np.concatenate([score.notes, score.notes[:1]])
    doubled[-1]["length"], doubled[-1]["velocity"], doubled[-1]["part"] = 960, 50, 1
    both = dataclasses.replace(score, notes=doubled, parts=[Part(), Part()])
    assert quantise(both, 4)[["length", "pitch", "velocity"]].tolist() == [
        (8, 60, 80),
        (4, 64, 80),
    ]


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(1, 8), st.integers(21, 108)), min_size=1))
def test_notes_on_the_grid_stay_where_they_are(steps):
    score = make_score([(onset * 120, length * 120, pitch) for onset, length, pitch in steps])
    rows = quantise(score, 4)
    assert {tuple(r) for r in rows[["onset", "pitch"]].tolist()} == {(o, p) for o, _, p in steps}
    kept = score.notes[["onset", "length", "pitch"]].tolist()
    assert [
        (o * 120, n * 120, p) for o, n, p in rows[["onset", "length", "pitch"]].tolist()
    ] == kept


def with_drums():
    score = make_score([(0, 480, 60)])
    return dataclasses.replace(score, parts=[Part("Kit", 0, drums=True)])


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (make_score([]), ("notes", "no notes that have pitch, in dataset.parts")),
        (with_drums(), ("notes", "no notes that have pitch, in dataset.parts")),
        (melody(0, metre=(5, 8)), ("meters", "metre 5/8 is not in dataset.meters")),
        (
            make_score([(0, 1, 12), (0, 1, 20)]),
            ("pitches", "2 notes outside 21 to 108, such as 12"),
        ),
        (
            dataclasses.replace(melody(0), tempi=[Tempo(i, 100.0 + i) for i in range(5)]),
            ("max_tempo_changes", "4 tempo changes, over 3"),
        ),
        (
            make_score([(i * 167 + 37, 100, 60) for i in range(64)]),
            ("max_off_grid", "of the notes off the grid, over 20%"),
        ),
    ],
)
def test_each_filter_gives_its_reason(score, expected):
    name, reason = rejection(score, FILTERS)
    assert name == expected[0]
    assert reason.endswith(expected[1])


def test_filters_let_scores_and_slightly_human_playing_pass():
    assert rejection(melody(0), FILTERS) is None
    assert rejection(melody(0, metre=(3, 4)), FILTERS) is None
    rng = np.random.default_rng(0)
    human = melody(0).notes.copy()
    human["onset"] += rng.integers(0, 15, len(human))
    assert rejection(dataclasses.replace(melody(0), notes=human), FILTERS) is None


def test_a_dataset_lists_songs_and_what_was_left_out(songs_folder, tmp_path):
    folder = songs_folder(9)
    hasty = [Tempo(beat * 480, 100 + beat) for beat in range(9)]
    odd = dataclasses.replace(melody(50), tempi=hasty)
    (folder / "odd.mid").write_bytes(midi_bytes(odd))
    corpus.build(tmp_path / "corpus", "folder", folder)
    dataset.build(tmp_path / "dataset", tmp_path / "corpus", FILTERS)
    [rejected] = files.read_table(tmp_path / "dataset" / "rejected.csv")
    assert rejected["id"].startswith("odd-")
    assert rejected["filter"] == "max_tempo_changes"
    rows = files.read_table(tmp_path / "dataset" / "songs.csv")
    assert len(rows) == 9
    assert all(row["bars"] == "0:16:4" and row["steps"] == "128" for row in rows)


def test_a_dataset_names_the_voices_of_songs(tmp_path):
    def duet(seed: int) -> Score:
        lines = [
            (beat * 480, 480, pitch + seed, 80, part)
            for beat in range(32)
            for part, pitch in ((0, 50), (1, 70))
        ]
        parts = [Part("Bass"), Part("Tenor | Alto")]
        return Score(np.array(lines, NOTE), parts, [Metre(0, 4, 4)], [Tempo(0, 100)])

    songs = {str(seed): (split, duet(seed)) for seed, split in enumerate(SPLITS)}
    songs["one"] = "train", melody(0)
    dataset.build(tmp_path / "dataset", write_corpus(tmp_path / "corpus", songs), FILTERS)
    found = Songs(tmp_path / "dataset")
    assert found.parts[0] == [(0, "Bass"), (0, "Tenor   Alto")]
    assert found.voices == [[(0, "Tenor   Alto"), (0, "Bass")]] * 3 + [[]]
    assert set(found.song(0)["part"].tolist()) == {0, 1}


def test_a_dataset_is_written_song_by_song(tmp_path, monkeypatch):
    songs = {str(n): (SPLITS[n % 3], melody(n, beats=4)) for n in range(100)}
    alive = Alive()
    monkeypatch.setattr(dataset, "in_parallel", alive.in_parallel)
    dataset.build(tmp_path / "dataset", write_corpus(tmp_path / "corpus", songs), FILTERS)
    assert len(Songs(tmp_path / "dataset")) == 100
    assert alive.most < 6


def test_a_split_without_songs_is_one_clear_error(tmp_path, songs_folder):
    corpus.build(tmp_path / "corpus", "folder", songs_folder(3))
    filters = dataclasses.replace(FILTERS, meters=["6/8"])
    with pytest.raises(UserError, match=r"none of the 1 train songs.*metre 4/4 is not in"):
        dataset.build(tmp_path / "dataset", tmp_path / "corpus", filters)


def test_songs_are_read_back_one_by_one(songs):
    assert len(songs) == 12
    held = [index for split in SPLITS for index in songs.of(split)]
    assert sorted(held) == list(range(12))
    for index in range(12):
        notes = songs.song(index)
        assert (notes["song"] == index).all()
        assert (notes["onset"] + notes["length"]).max() <= songs.steps[index]
        assert songs.steps[index] % songs.bar[index] == 0
    assert sum(len(songs.song(i)) for i in range(12)) == len(songs.notes)


def test_metre_changes_must_all_be_allowed():
    score = melody(0)
    mixed = dataclasses.replace(score, metres=[Metre(0, 4, 4), Metre(1920, 7, 4)])
    assert rejection(mixed, FILTERS)[0] == "meters"
