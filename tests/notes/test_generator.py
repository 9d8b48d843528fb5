import numpy as np
import pytest
import sampling
import torch
from making import CONFIG, positions

from ostinato.notes.data.fragments import FRAGMENT, Batch, Batches, write_table
from ostinato.notes.data.positions import FINAL, SHIFT, STEP, UNKNOWN
from ostinato.notes.generator import Generator
from ostinato.notes.parts.repeating import Repeating
from ostinato.notes.samplers import tied

TIED = {
    "name": "tied",
    "cells": 4,
    "hidden": 5,
    "radius": 3,
    "match_steps": 40,
    "match_radius": 2,
    "dropout": 0.0,
    "input_dropout": 0.0,
}
MEMORY = {"name": "none", "local": 3, "aggregation": 4}
GATE = {"lags": [4, 16], "hidden": 3}
BARE = {"keys": 88, "representation": "onset", "metre": False, "memory": MEMORY, "repeating": None}


def generator(keys: int) -> Generator:
    torch.manual_seed(3)
    return Generator(BARE | {"keys": keys, "sampler": TIED, "repeating": GATE})


@pytest.mark.parametrize("keys", [12, 88])
def test_what_is_known_of_a_song_is_what_each_batch_would_find(songs, tmp_path, keys):
    """In every transposition, from any step on, and also behind a song's end."""
    write_table(tmp_path, songs, 60, 24, (-6, 5))
    table, model = np.load(tmp_path / "fragments.npy"), generator(keys)
    options = 8, 60, model.context_length, keys, 1
    batches = Batches(songs, table, *options, model.sampler.annotate)
    shifts, ends = set(), 0
    for number in range(6):
        batch = batches(number)
        plain = batch._replace(annotation=None)
        uniforms = torch.zeros(*batch.mask.shape, model.num_uniforms)
        found, expected = (model.losses(each, uniforms)[0] for each in (batch, plain))
        torch.testing.assert_close(found, expected)
        shifts |= set(batch.annotation.flatten().tolist())
        ends += int((batch.mask == 0).sum())
    assert len(shifts) > 10  # lags and lengths that differ
    assert ends
    plain = Batches(songs, table, *options)(0)
    assert plain.annotation is None
    assert torch.equal(plain.notes, batches(0).notes)


def test_annotations_of_long_songs_do_not_fill_memory(songs, monkeypatch):
    monkeypatch.setattr("ostinato.notes.data.fragments.KNOWN", 600)
    table = np.array([(song, 0, 0) for song in songs.of("train")], FRAGMENT)
    seen = []

    def annotate(song):
        seen.append(len(song))
        return song[..., None]

    batches = Batches(songs, table, len(table), 32, 1, 88, 1, annotate)
    batches(0)
    batches(1)
    assert len(seen) > len(table)
    assert sum(songs.steps[song] for song in batches._annotated) <= 600


CONFIGS = {
    "A18": CONFIG,
    "repeating A18": CONFIG | {"repeating": {"lags": [2, 5], "hidden": 4}},
    "onsets": BARE | {"sampler": TIED | {"match_steps": 6}, "repeating": GATE},
    "default": BARE
    | {
        "representation": "notes",
        "metre": True,
        "sampler": TIED | {"match_steps": 6},
        "repeating": GATE,
    },
    "lookback": BARE
    | {
        "representation": "notes",
        "memory": {"name": "lookback", "lags": [1, 12], "hidden": [6], "clock": True},
        "sampler": TIED | {"match_steps": 0},
    },
    "ordered": CONFIG
    | {
        "memory": {"name": "lookback", "lags": [1, 12], "hidden": [6], "clock": True},
        "sampler": {"name": "ordered", "hidden": 6, "max_notes": 3},
    },
}
every = pytest.mark.parametrize("name", CONFIGS)
STEPS = 20


def build(name: str) -> Generator:
    torch.manual_seed(0)
    model = Generator(CONFIGS[name]).double()
    if isinstance(model.sampler, Repeating):
        torch.nn.init.zeros_(model.sampler.situation)  # so that it repeats often
    for part in model.modules():
        if isinstance(part, tied.Model):  # so that the final and the transposition matter
            torch.nn.init.normal_(part.degree.weight)
            torch.nn.init.normal_(part.compass.weight)
    return model


def example(model: Generator) -> tuple[Batch, torch.Tensor]:
    """Two fragments, the second of them with an end."""
    random = torch.Generator().manual_seed(1)
    length = model.context_length + STEPS
    known = torch.rand(2, length, model.keys, generator=random, dtype=torch.float64)
    known = (known * model.keys < 1.5).double()
    if model.lengths:
        lasts = torch.rand(known.shape, generator=random) < 0.7
        known = sampling.held(known, lasts)
    past, notes = known.split([model.context_length, STEPS], 1)
    mask = torch.ones(2, STEPS).double()
    mask[1, 15:] = 0
    shape = (2, STEPS, model.num_uniforms)
    uniforms = torch.rand(shape, generator=random, dtype=torch.float64)
    where = positions(0, 9, steps=STEPS)
    where[..., FINAL], where[..., SHIFT] = torch.tensor([[7], [2]]), torch.tensor([[3], [-4]])
    return Batch(past, notes, mask, where), uniforms


@every
def test_a_whole_sequence_is_the_same_as_its_parts(name):
    model = build(name)
    batch, uniforms = example(model)
    begin = model.initial(batch.past, positions(0, 9, steps=STEPS + 1))
    whole, end = model.log_prob(batch.notes, begin, uniforms)
    for lengths in ([1] * STEPS, [3, 1, STEPS - 4]):
        state, parts = begin, []
        for notes, chance in zip(
            batch.notes.split(lengths, 1), uniforms.split(lengths, 1), strict=True
        ):
            nats, state = model.log_prob(notes, state, chance)
            parts.append(nats)
        torch.testing.assert_close(torch.cat(parts, 1), whole)
        torch.testing.assert_close(state, end)
    assert end.positions[..., STEP].tolist() == [[STEPS], [STEPS + 9]]
    assert torch.equal(end.past[:, -STEPS:], batch.notes[:, -model.context_length :])


@every
def test_the_loss_counts_the_steps_that_songs_have_and_the_sampler_can_draw(name):
    model = build(name)
    batch, uniforms = example(model)
    model.eval()  # in training, a sampler may compute only a part of its loss
    batch.notes[0, 3] = 1  # too many for most
    total, count = model.losses(batch, uniforms)
    log_prob, _ = model.log_prob(batch.notes, model.initial(batch.past, batch.positions), uniforms)
    counted = (batch.mask > 0) & log_prob.isfinite()
    assert count == counted.sum()
    assert (count == STEPS + 15) == (name in ("onsets", "default", "lookback"))
    torch.testing.assert_close(total, -log_prob[counted].sum())
    loss = model(batch, uniforms)
    torch.testing.assert_close(loss, total / count)
    loss.backward()
    for weight_name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), weight_name


def test_a_batch_without_anything_that_counts_has_no_loss():
    model = build("A18")
    batch, uniforms = example(model)
    assert model(batch._replace(mask=0 * batch.mask), uniforms) == 0


@every
@torch.no_grad()
def test_it_composes_as_it_is_trained(name):
    """What it draws step by step follows from the features of the whole."""
    model = build(name)
    batch, uniforms = example(model)
    begin = state = model.initial(batch.past, batch.positions)
    drawn = []
    for step in range(STEPS):
        notes, state = model.step(state, uniforms[:, step : step + 1], 1.0)
        drawn.append(notes)
    played = torch.cat(drawn, 1)
    assert 0 < played.abs().mean() < 1
    known, features, after = model._hear(played, begin)
    torch.testing.assert_close(after.memory, state.memory)
    assert after.positions.shape[1] == state.positions.shape[1] == 0
    assert torch.equal(after.past, state.past)
    own, context = begin.sampler, model.context_length
    for step in range(STEPS):
        now = slice(step, step + 1)
        told, past = features[:, now], known[:, step : step + context]
        notes, own = model.sampler.sample(told, past, own, uniforms[:, now], 1.0)
        assert torch.equal(notes, played[:, now])


@every
@torch.no_grad()
def test_guesses_are_what_would_be_drawn_after_the_true_past(name):
    model = build(name)
    batch, uniforms = example(model)
    draws = torch.stack([torch.stack([uniforms, each]) for each in (uniforms, 1 - uniforms)])
    for chance, guess in zip(draws, model.guess(batch, draws), strict=True):
        state = model.initial(batch.past, batch.positions)
        for step in range(STEPS):
            now = slice(step, step + 1)
            notes, _ = model.step(state, chance[1][:, now], 1.0)
            assert torch.equal(notes, guess[:, now])
            _, state = model.log_prob(batch.notes[:, now], state, chance[0][:, now])


@every
def test_no_tensor_is_made_without_a_device(name):
    """On a GPU it would lie elsewhere."""
    model = build(name)
    batch, uniforms = example(model)
    draws = torch.stack([uniforms, uniforms])[None]
    with torch.device("meta"):
        loss = model(batch, uniforms)
        loss.backward()
        begin = model.initial(batch.past, batch.positions)
        nats, _ = model.log_prob(batch.notes, begin, uniforms)
        notes, state = model.step(begin, uniforms[:, :1], 1.0)
        guesses = model.guess(batch, draws)
    found = loss, nats, notes, guesses, state.past, state.positions
    assert {each.device.type for each in found} == {"cpu"}


@pytest.mark.parametrize("metre", [True, False])
@torch.no_grad()
def test_the_final_is_known_with_the_metre_and_costs_its_probability(metre):
    torch.manual_seed(3)
    config = BARE | {"representation": "notes", "sampler": TIED, "repeating": GATE}
    model = Generator(config | {"metre": metre}).double()
    assert model.knows_final == metre
    batch, uniforms = example(model)
    where = batch.positions.clone()
    where[..., STEP] = torch.arange(STEPS)
    where[..., SHIFT] = -2
    finals = {}
    for final in (*range(12), UNKNOWN):
        where[..., FINAL] = final
        begin = model.initial(batch.past, where)
        finals[final], _ = model.log_prob(batch.notes, begin, uniforms)
        known, features, _ = model._hear(batch.notes, begin)
        bare, _ = model.sampler.log_prob(features, known, begin.sampler, uniforms)
        price = [np.log(12) * metre] + [0] * (STEPS - 1)
        torch.testing.assert_close(bare - finals[final], torch.tensor(price).expand_as(bare))
    different = {round(float(nats.sum()), 9) for nats in finals.values()}
    assert len(different) == (13 if metre else 1)
