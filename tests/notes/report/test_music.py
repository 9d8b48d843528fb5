"""Songs and compositions, and the figures that compare them."""

import numpy as np
import pytest
from making import make_score

from ostinato.core import files
from ostinato.notes.compose.compose import SEED_STEPS
from ostinato.notes.report import music
from ostinato.scores.grid import with_swing
from ostinato.scores.midi import midi_bytes


def test_music_is_measured_after_what_was_given():
    """In 3/4 the first entirely new bar begins after 24 steps; what is too short is not cut off."""
    rolls = [np.zeros((steps, 88), np.int8) for steps in (160, 120, 12)]
    pieces = music.Pieces(rolls, [16, 12, 12], [4, 7, 9], 4)
    assert [len(roll) for roll, _ in pieces.new] == [160 - SEED_STEPS, 120 - 24, 12]
    assert [bar for _, bar in pieces.new] == [16, 12, 12]
    assert pieces.groups == [4, 7, 9]
    longer = music.Pieces([np.zeros((16 * 17, 88), np.int8)], [16], [4], 4)
    assert longer.groups == [4, 4, 4]
    assert len(longer.windows) == 3


def test_songs_are_read_as_whole_notes(songs):
    found = music.songs_of(songs, "test", 4)
    assert found.songs == songs.of("test")
    for song, roll in zip(found.songs, found.rolls, strict=True):
        assert len(roll) == songs.steps[song]
        assert (roll > 0).sum() == len(songs.song(song))
        assert (roll < 0).any()


def test_compositions_are_read_back(songs, tmp_path):
    score = make_score([(0, 960, 60), (960, 480, 64)], (3, 4))
    (tmp_path / "piece-01.mid").write_bytes(midi_bytes(score))
    row = {"piece": "piece-01", "begins_as": songs.id[5], "metre": "3/4", "steps": 36}
    files.write_table(tmp_path / "pieces.csv", list(row), [row])
    found = music.compositions(tmp_path, songs, 4)
    assert (found.bars, found.songs) == ([12], [5])
    [roll] = found.rolls
    assert len(roll) == 36
    assert roll[:8, 39].tolist() == [1] + [-1] * 7
    assert roll[8:12, 43].tolist() == [1] + [-1] * 3


def test_compositions_that_swing_are_read_straight(songs, tmp_path, monkeypatch):
    straight = make_score([(240 * place, 240, 60) for place in range(12)])
    (tmp_path / "piece-01.mid").write_bytes(midi_bytes(with_swing(straight, 2 / 3, 2)))
    row = {"piece": "piece-01", "begins_as": songs.id[0], "metre": "4/4", "steps": 24}
    files.write_table(tmp_path / "pieces.csv", list(row), [row])
    monkeypatch.setattr(songs, "swing", [(2 / 3, 2)] * len(songs))
    [roll] = music.compositions(tmp_path, songs, 4).rolls
    assert roll[:, 39].tolist() == [1, -1] * 12


@pytest.fixture(scope="module")
def measured(songs):
    sets = {name: music.songs_of(songs, name, 4) for name in ("train", "valid", "test")}
    known = music.Known(sets["train"])
    found = {name: music.figures(pieces, known) for name, pieces in sets.items()}
    both = music.likeness(sets["train"], sets["train"])
    return sets, found, both


def test_songs_are_copies_of_themselves_and_end_like_themselves(measured):
    sets, found, _ = measured
    longest = max(len(roll) for roll, _ in sets["train"].new)
    assert longest - 16 < found["train"]["longest_copy"]["max"] <= longest
    assert found["valid"]["longest_copy"]["max"] < 32
    assert found["train"]["ends"]["like_songs"] == 1
    assert set(found["train"]["self_similarity"]) == {"1", "2", "4", "8"}


def test_the_headline_is_taken_from_the_figures(measured):
    _, found, likeness = measured
    single = music.headline(found["train"] | likeness)
    assert single["told_apart"] == likeness["told_apart"][0] <= 0.5
    assert single["four_keys"] == found["train"]["features"]["four_keys"][0]
    few = music.headline(found["train"] | {"told_apart": None, "overlap": {}})
    assert few["told_apart"] is None
    assert few["overlap"] is None


def test_silence_can_be_measured(measured):
    silence = music.Pieces([np.zeros((32, 88), np.int8)], [16], [0], 4)
    found = music.figures(silence, music.Known(measured[0]["train"]))
    assert found["repetition"] is None
    assert found["self_similarity"]["4"] is None
    assert found["ends"]["like_songs"] == 0
