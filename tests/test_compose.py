import copy
from io import BytesIO

import numpy as np
import pytest
import torch

from ostinato import decoders
from ostinato.audio.synthesis import render
from ostinato.compose import HOUR_LENGTH, SEED_STEPS, Piece, compose, hour_roll, score_of
from ostinato.evaluation import plots
from ostinato.generator import Generator
from ostinato.rolls import KEYS, LOWEST, onset_roll
from ostinato.scores.score import Metre

CONFIG = {
    "keys": 12,
    "memory": {
        "name": "history_user",
        "lags": [4, 8, 16],
        "local": 6,
        "read": 6,
        "aggregation": 8,
    },
    "sampler": {"name": "banning", "voices": 5, "hidden": 6, "objective": "bound"},
}


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return Generator(CONFIG), decoders.build({"name": "lstm", "hidden": 6})


def test_a_piece_is_the_same_however_many_are_made(models, songs):
    few = compose(*models, songs, 2, 40, 1.0, seed=1)
    many = compose(*models, songs, 5, 40, 1.0, seed=1)
    for one, other in zip(few, many, strict=False):
        assert one.song == other.song
        assert (one.roll == other.roll).all()
    assert not (many[0].roll[SEED_STEPS:] == many[2].roll[SEED_STEPS:]).all()


def test_a_piece_begins_as_an_unseen_song(models, songs):
    pieces = compose(*models, songs, 3, 10, 1.0, seed=1)
    for piece in pieces:
        assert piece.song in songs.of("test")
        begun = onset_roll(songs.song(piece.song), 0, SEED_STEPS)
        assert (piece.roll[:SEED_STEPS] == begun).all()
        assert piece.roll.shape == (SEED_STEPS + 10, KEYS)


def test_seed_and_temperature_matter_but_not_at_temperature_zero(models, songs):
    def music(temperature: float, seed: int) -> np.ndarray:
        return compose(*models, songs, len(songs.of("test")), 20, temperature, seed)

    def same(ones, others):
        by_song = {piece.song: piece.roll for piece in others}
        return all((piece.roll == by_song[piece.song]).all() for piece in ones)

    assert not same(music(1.0, 1), music(1.0, 2))
    assert same(music(0, 1), music(0, 2))


def test_the_models_compose_as_they_are_trained(models):
    """The loss over a whole sequence and the states of composing go the same way."""
    generator = copy.deepcopy(models[0]).double()
    uniforms = torch.rand(2, 30, generator.draws, dtype=torch.float64)
    past = torch.zeros(2, generator.reach, 12, dtype=torch.float64)
    state = generator.initial(past, torch.tensor([0, 9]))
    notes = []
    for step in range(30):
        drawn, state = generator.step(state, uniforms[:, step : step + 1], 1.0)
        notes.append(drawn)
    played = torch.cat(notes, 1)
    begin = generator.initial(past, torch.tensor([0, 9]))
    features, after = generator.features(played, begin)
    again, _ = generator.sampler.sample(features, begin.sampler, uniforms, 1.0)
    assert torch.equal(again, played)
    torch.testing.assert_close(after.memory, state.memory)
    assert after.step.tolist() == state.step.tolist() == [30, 39]


def test_a_note_sounds_until_the_next_onset_or_for_a_bar():
    roll = np.zeros((64, KEYS), np.uint8)
    roll[0, 60 - LOWEST] = roll[0, 64 - LOWEST] = roll[3, 62 - LOWEST] = roll[62, 65 - LOWEST] = 1
    score = score_of(roll, Metre(0, 4, 4), 90, 4, "x")
    assert score.notes[["onset", "length", "pitch"]].tolist() == [
        (0, 360, 60),
        (0, 360, 64),
        (360, 1920, 62),
        (7440, 240, 65),
    ]
    waltz = score_of(roll, Metre(0, 3, 4), 90, 4, "x")
    assert waltz.notes["length"][2] == 1440
    assert (waltz.metre, waltz.tempi[0].bpm) == ("3/4", 90)


def test_a_piece_without_notes_can_be_written():
    score = score_of(np.zeros((32, KEYS), np.uint8), Metre(0, 4, 4), 90, 4, "100$ and 5_$")
    assert len(score.notes) == 0
    assert np.abs(render(score)).max() == 0
    save = BytesIO()
    plots.roll(score, 16, 4).savefig(save)
    assert save.getvalue().startswith(b"\x89PNG")


def test_an_hour_is_cut_to_its_length_and_has_pauses():
    pieces = [Piece(0, np.ones((SEED_STEPS + 240, KEYS), np.uint8)) for _ in range(120)]
    hour = hour_roll(pieces)
    assert hour.shape == (HOUR_LENGTH, KEYS)
    assert pytest.approx(3595) == HOUR_LENGTH * 0.125
    silent = ~hour.any(1)
    assert silent[240:264].all()
    assert silent.mean() == pytest.approx(24 / 264, abs=0.001)
