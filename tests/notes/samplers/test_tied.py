import itertools
import math

import pytest
import sampling
import torch
from matching import match

from ostinato.notes.samplers import tied

SIZES = {"cells": 4, "hidden": 5, "dropout": 0.0, "input_dropout": 0.0}


def sampler(reach: int = 5):
    params = SIZES | {"radius": 2, "match_steps": reach, "match_radius": 1}
    return sampling.build(tied, scale=2, **params)


def wide(keys: int, reach: int, voice: int = 1):
    torch.manual_seed(7)
    params = tied.Params(radius=3, match_steps=reach, match_radius=voice, **SIZES)
    model = tied.Model(sampling.FEATURES, keys, params).double()
    for weight in model.parameters():
        weight.data *= 2
    return model


@pytest.mark.parametrize("reach", [0, 1, 5])
@pytest.mark.parametrize("keys", [5, 12])
@torch.no_grad()
def test_probabilities_of_all_sets_sum_to_one_after_any_past(keys, reach):
    model = wide(keys, reach)
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()
    past = (sampling.random(1, 8, keys) < 0.3).double().expand(len(sets), -1, -1)
    some = sampling.song(model, torch.cat([past, sets[:, None]], 1))
    some.features[:] = some.features[:1].clone()
    assert abs(sampling.log_prob(model, some)[:, -1].exp().sum() - 1) < 1e-12


def slowly(model, features: torch.Tensor, notes: torch.Tensor, begin: int = 0) -> list[float]:
    """The log-probability of each step of one sequence from one on, key by key."""
    steps, keys = notes.shape
    ring, reach = keys == 12, model.match_steps
    played = [frame.nonzero()[:, 0].tolist() for frame in notes]
    first = next(step for step in range(steps) if played[step])
    lstm = model.along_time

    def around(frame: torch.Tensor, key: int, width: int) -> list[float]:
        """What stands at the keys around one."""
        if ring:
            return [frame[(key + i) % 12].item() for i in range(-6, 6)]
        places = range(key - width, key + width + 1)
        return [frame[i].item() if 0 <= i < keys else 0.0 for i in places]

    wholes = [tuple(p) if step >= first else None for step, p in enumerate(played)]
    cells = [(torch.zeros(lstm.hidden_size).double(),) * 2 for _ in range(keys)]
    nats = []
    for step in range(begin, steps):
        before = notes[step - 1] if step else torch.zeros(keys).double()
        nats.append(0.0)
        for key in range(keys):
            seen = around(before, key, model.radius)
            there = before.nonzero()[:, 0].tolist()
            seen += [sum((other - key) % 12 == i for other in there) for i in range(12)]
            seen += [len(there) / 4, *model.name.weight[key].tolist()]
            seen += model.told(features[step]).tolist()
            if reach:
                near = [around(frame, key, model.match_radius) for frame in notes]
                voices = [near[i] if i >= first else None for i in range(steps)]
                (lag, length), (of_voice, lengths) = (
                    match(codes, step, reach) for codes in (wholes, voices)
                )
                came = notes[step - lag] if length else torch.zeros(keys).double()
                seen += [*around(came, key, 12), math.log1p(length)]
                seen += [notes[step - of_voice, key].item() if lengths else 0.0]
                seen += [math.log1p(lengths)]
            h, c = cells[key]
            gates = lstm.weight_ih_l0 @ torch.tensor(seen).double() + lstm.bias_ih_l0
            gates = gates + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
            write, keep, new, show = gates.chunk(4)
            c = keep.sigmoid() * c + write.sigmoid() * new.tanh()
            h = show.sigmoid() * c.tanh()
            cells[key] = h, c
            lower = [other for other in played[step] if other < key]
            told = [float(place in lower) for place in range(key - model.radius, key)]
            told += [
                sum(other <= place and (place - other) % 12 == 0 for other in lower)
                for place in range(key - 12, key)
            ]
            told.append(len(lower) / 4)
            hidden = model.lasting(h) + model.remembered(features[step])
            hidden = hidden + model.lower(torch.tensor(told).double())
            hidden = torch.nn.functional.silu(hidden)
            hidden = hidden + torch.nn.functional.silu(model.deeper(hidden))
            sounds = model.sounds(hidden).sigmoid().item()
            nats[-1] += math.log(sounds if key in played[step] else 1 - sounds)
    return nats


@pytest.mark.parametrize(
    ("lowest", "keys", "reach", "voice"), [(40, 36, 0, 1), (40, 36, 20, 2), (60, 12, 9, 5)]
)
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(lowest, keys, reach, voice):
    model = wide(keys, reach, voice=voice)
    notes = torch.cat([torch.zeros(2, keys), sampling.chorale(lowest, keys)])
    some = sampling.song(model, notes[None])
    expected = torch.tensor(slowly(model, some.features[0], notes)).double()
    torch.testing.assert_close(sampling.log_prob(model, some)[0], expected)


@torch.no_grad()
def test_it_finds_what_was_played_before_the_sequence():
    """The LSTM begins at zero there, which the slow one does if it is not heard before."""
    model, notes = wide(36, 20), sampling.chorale(40, 36)
    some = sampling.song(model, notes[None])
    later = sampling.Music(some.features[:, 16:], some.known, some.uniforms[:, 16:])
    found = sampling.log_prob(model, later)
    expected = slowly(model, some.features[0], notes, begin=16)
    torch.testing.assert_close(found[0], torch.tensor(expected).double())
    silent = later.known.clone()
    silent[:, :-13] = 0  # all but the step before
    untold = sampling.log_prob(model, later._replace(known=silent))
    assert (found != untold).any()


@pytest.mark.parametrize("reach", [0, 5])
@torch.no_grad()
def test_every_later_step_remembers_what_was_struck(reach):
    model = sampler(reach)
    some = sampling.music(model)
    before = sampling.log_prob(model, some)
    some.notes[:, 2] = 1 - some.notes[:, 2]
    assert (sampling.log_prob(model, some)[:, 3:] != before[:, 3:]).all()


@pytest.mark.parametrize("left_out", ["dropout", "input_dropout"])
def test_what_is_left_out_is_drawn_in_training_only(left_out):
    model = sampler()
    some = sampling.music(model)
    whole = sampling.log_prob(model, some)
    setattr(model, left_out, 0.5)
    assert not torch.equal(sampling.log_prob(model, some), sampling.log_prob(model, some))
    model.eval()
    assert torch.equal(sampling.log_prob(model, some), whole)


def test_what_is_left_out_is_left_out_at_all_steps_and_the_rest_makes_up_for_it():
    model, values = sampler(), torch.ones(50, 7, 30)
    torch.manual_seed(0)
    dropped = model._drop(values, 0.2)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0, 1.25}
    assert abs((dropped == 0).float().mean() - 0.2) < 4 * (0.2 * 0.8 / 1500) ** 0.5


@torch.no_grad()
def test_it_takes_no_more_memory_than_it_may(monkeypatch):
    model, most, rows = sampler(), 3 * sampling.BATCH * sampling.KEYS, []
    some, draws = (
        sampling.music(model),
        sampling.random(2, 2, *sampling.music(model).uniforms.shape),
    )
    whole, drawn = sampling.log_prob(model, some), model.guess(some.features, some.known, draws)
    monkeypatch.setattr(tied, "ROWS", most)
    model.lasting.register_forward_hook(lambda _, given, __: rows.append(given[0][..., 0].numel()))
    torch.testing.assert_close(sampling.log_prob(model, some), whole)
    assert max(rows) == most
    assert sum(rows) == some.notes.numel()
    assert torch.equal(model.guess(some.features, some.known, draws), drawn)
    assert max(rows) == most
