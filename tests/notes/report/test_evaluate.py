import math

import pytest
import torch
from making import CONFIG, DECODER, positions

from ostinato.notes.data.rolls import KEYS
from ostinato.notes.data.songs import Songs
from ostinato.notes.parts.dynamics import Dynamics
from ostinato.notes.parts.velocity import Params
from ostinato.notes.report import evaluate
from ostinato.notes.system import System

ORDERED = {"name": "ordered", "hidden": 6, "max_notes": 8}
NONE = {"kind": "none", "representation": "onset", "decoder": {"name": "none"}, "velocity": None}


def build(sampler: dict, keys: int = 88) -> System:
    torch.manual_seed(0)
    decoder = NONE if keys == 88 else DECODER
    return System(CONFIG | {"keys": keys, "sampler": sampler}, decoder).eval()


def test_an_exact_log_probability_is_the_same_for_all_draws(songs):
    found = evaluate.prediction(build(ORDERED), songs, "test", 1, seed=1)
    again = evaluate.prediction(build(ORDERED), songs, "test", 3, seed=2)
    assert found["exact"]
    assert found["log_prob"] == pytest.approx(again["log_prob"], abs=1e-6)
    assert found["impossible_steps"] == 0


@torch.no_grad()
@pytest.mark.parametrize("keys", [12, 88])
@pytest.mark.parametrize("split", ["test", "train"])
def test_it_is_that_of_the_system_mixed_with_independent_keys(songs, split, keys):
    """Songs are of different lengths: none counts for more, and nothing behind their ends."""
    system, rates = build(ORDERED, keys), evaluate.state_rates(songs)
    total = own = steps = 0.0
    for song in songs.of(split):
        notes = torch.from_numpy(songs.roll(song, 0, int(songs.steps[song])))[None].float()
        where = positions(0, steps=notes.shape[1])
        begin = system.initial(torch.zeros(1, system.context_length, KEYS), where)
        uniforms = torch.zeros(*notes.shape[:2], system.num_uniforms)
        log_prob, _ = system.log_prob(notes, begin, uniforms)
        other = torch.where(notes > 0, rates[:, 1], rates[:, 0]).log().sum(-1)
        p = (1 - 1e-4) * log_prob.double().exp() + 1e-4 * other.exp()
        total += float(p.log().sum())
        own += float(log_prob.sum())
        steps += notes.shape[1]
    found = evaluate.prediction(system, songs, split, 2, seed=1)
    assert found["log_prob"] == pytest.approx(total / steps, abs=1e-4)
    assert found["nll"] == pytest.approx(-own / steps, abs=1e-4)


@torch.no_grad()
def test_both_parts_of_the_mixture_pay_for_the_final(songs, monkeypatch):
    monkeypatch.setattr(evaluate, "MIXED", 0.5)
    songs = Songs(songs.folder, "notes")
    torch.manual_seed(0)
    sizes = {"cells": 4, "hidden": 5, "radius": 3, "match_steps": 0, "match_radius": 1}
    tied = {"name": "tied", "dropout": 0.0, "input_dropout": 0.0, **sizes}
    config = CONFIG | {"keys": 88, "representation": "notes", "metre": True, "sampler": tied}
    system = System(config, NONE | {"representation": "notes"}).eval()
    rates, total, steps = evaluate.state_rates(songs), 0.0, 0
    for song in songs.of("test"):
        whole = 0, int(songs.steps[song])
        notes = torch.from_numpy(songs.roll(song, *whole))[None]
        begin = system.initial(
            torch.zeros(1, system.context_length, KEYS),
            torch.from_numpy(songs.positions(song, *whole))[None],
        )
        uniforms = torch.zeros(*notes.shape[:2], system.num_uniforms)
        own = system.log_prob(notes, begin, uniforms)[0][0].double()
        states = [(notes[0] == state) * rates[:, i] for i, state in enumerate((0, 1, -1))]
        other = sum(states).log().sum(-1)
        other[0] -= math.log(12)
        total += float(torch.logaddexp(own, other).sum() - math.log(2) * len(own))
        steps += len(own)
    found = evaluate.prediction(system, songs, "test", 1, seed=1)
    assert found["log_prob"] == pytest.approx(total / steps, abs=1e-6)


def test_what_a_system_cannot_draw_is_counted_and_costs_what_independent_keys_cost(songs):
    """One voice, where each song strikes two keys at every beat."""
    system = build({"name": "voices", "voices": 1, "objective": "union"})
    found = evaluate.prediction(system, songs, "test", 1, seed=1)
    test = [songs.roll(i, 0, int(songs.steps[i])) for i in songs.of("test")]
    chords = sum(int((roll.sum(1) > 1).sum()) for roll in test) / sum(map(len, test))
    assert chords > 0.2
    assert found["impossible_steps"] == pytest.approx(chords)
    assert found["nll"] is None
    assert -math.log(1e4) * 3 < found["log_prob"] < chords * math.log(1e-4)


def test_more_draws_come_closer_to_a_probability_that_is_only_bounded(songs):
    torch.manual_seed(0)
    system = System(CONFIG, DECODER).eval()
    found = {draws: evaluate.prediction(system, songs, "test", draws, seed=3) for draws in (1, 32)}
    assert not found[1]["exact"]
    assert found[1]["nll"] is None
    assert found[32]["log_prob"] > found[1]["log_prob"]


@torch.no_grad()
def test_velocities_are_measured_by_the_note(songs):
    torch.manual_seed(0)
    model = Dynamics(Params(hidden=4))
    loud = Songs(songs.folder, velocities=True)
    total = notes = 0.0
    for song in loud.of("test"):
        played = torch.from_numpy(loud.roll(song, 0, int(loud.steps[song])))[None]
        where = torch.from_numpy(loud.positions(song, 0, played.shape[1]))[None]
        nats, _ = model.log_prob(played, model.initial(played[:, :1] * 0, where))
        total -= float(nats.sum())
        notes += len(loud.song(song))
    found = evaluate.velocity_nll(model, loud, "test")
    assert found == pytest.approx(total / notes, abs=1e-4)


def test_held_notes_are_measured_as_they_are_written(songs):
    torch.manual_seed(0)
    holding = Songs(songs.folder, "holding")
    system = build(ORDERED)
    onset, held = (evaluate.prediction(system, s, "test", 1, 1) for s in (songs, holding))
    assert held["log_prob"] != onset["log_prob"]
    assert (evaluate.state_rates(holding)[:, 1] > evaluate.state_rates(songs)[:, 1]).any()
