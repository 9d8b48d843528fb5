import itertools
import math

import pytest
import sampling
import torch
from matching import match

from ostinato.notes.data.positions import FINAL, SHIFT
from ostinato.notes.samplers import tied

SIZES = {"cells": 4, "hidden": 5, "dropout": 0.0, "input_dropout": 0.0}


def sampler(reach: int = 5):
    params = SIZES | {"radius": 2, "match_steps": reach, "match_radius": 1}
    return sampling.build(tied, scale=2, **params)


def wide(keys: int, reach: int, voice: int = 1, lengths: bool = False):
    torch.manual_seed(7)
    params = tied.Params(radius=3, match_steps=reach, match_radius=voice, **SIZES)
    more = {"lengths": True} if lengths else {}
    model = tied.Model(sampling.FEATURES, keys, params, **more).double()
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


def slowly(
    model,
    features: torch.Tensor,
    notes: torch.Tensor,
    begin: int = 0,
    final: int = 12,
    shift: int = 0,
) -> list[float]:
    """The log-probability of each step of one sequence from one on, key by key."""
    steps, keys = notes.shape
    ring, reach, lengths = keys == 12, model.match_steps, model.lengths
    played = [frame.nonzero()[:, 0].tolist() for frame in notes]
    struck = [(frame > 0).nonzero()[:, 0].tolist() for frame in notes]
    first = next(step for step in range(steps) if played[step])
    lstm = model.along_time

    def around(there: list[int], key: int, width: int) -> list[float]:
        """Which of the keys around one are there."""
        if ring:
            return [float((key + i) % 12 in there) for i in range(-6, 6)]
        return [float(place in there) for place in range(key - width, key + width + 1)]

    def matched(code: list, step: int) -> tuple[list[int], list[int], int]:
        """What sounded and was struck at the match, and its length."""
        lag, length = match(code, step, reach)
        return (played[step - lag], struck[step - lag], length) if length else ([], [], 0)

    wholes = [(tuple(p), tuple(q)) for p, q in zip(played, struck, strict=True)]
    wholes = [whole if step >= first else None for step, whole in enumerate(wholes)]
    cells = [(torch.zeros(lstm.hidden_size).double(),) * 2 for _ in range(keys)]
    nats = []
    for step in range(begin, steps):
        there, hit = (played[step - 1], struck[step - 1]) if step else ([], [])
        lately = played[max(0, step - 32) : step][::-1] or [[]]
        most = max(len(p) for p in lately)
        ago = next(i for i, p in enumerate(lately) if len(p) == most)
        nats.append(0.0)
        for key in range(keys):
            seen = around(there, key, model.radius)
            seen += [sum((other - key) % 12 == i for other in there) for i in range(12)]
            seen.append(len(there) / 4)
            if not ring:
                for distance in (key - min(there), max(there) - key) if there else ():
                    seen += [float(distance % 12 == i) for i in range(12)] + [distance / 12]
                seen += [] if there else [0.0] * 26
            if lengths:
                seen += [*around(hit, key, 12), len(hit) / 4, most / 4, math.log1p(ago) / 4]
            if reach:
                near = [
                    (around(p, key, model.match_radius), around(q, key, model.match_radius))
                    for p, q in zip(played, struck, strict=True)
                ]
                voices = [near[i] if i >= first else None for i in range(steps)]
                came, came_hit, length = matched(wholes, step)
                own, own_hit, own_length = matched(voices, step)
                seen += [*around(came, key, 12), math.log1p(length), float(key in own)]
                seen.append(math.log1p(own_length))
                if lengths:
                    seen += [float(key in came_hit), float(key in own_hit)]
            original = (key - shift) % 12 if ring else min(max(key - shift, 0), keys - 1)
            degree = (key + (0 if ring else 21) - final) % 12
            seen += model.name.weight[original].tolist()
            seen += [float(final < 12 and degree == i) for i in range(12)]
            seen += model.told(features[step]).tolist()
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
            if not ring:
                distance = key - lower[0] if lower else 0
                told += [float(bool(lower) and distance % 12 == i) for i in range(12)]
                told.append(distance / 12)
            if lengths:
                hit_lower = [other for other in struck[step] if other < key]
                told += [float(place in hit_lower) for place in range(key - model.radius, key)]
                told.append(len(hit_lower) / 4)
                told.append(sum(other < key for other in there) / 4)
                told.append(sum(other > key for other in there) / 4)
                told += [(most - len(lower)) / 4, float(key in there), float(key in hit)]
                told += intervals(key, lower, there, lately[ago]) + parallel(key, lower, there)
            hidden = model.lasting(h) + model.remembered(features[step])
            hidden = hidden + model.compass.weight[original]
            if final < 12:
                place = torch.cat([model.place(features[step]).tanh(), torch.ones(1).double()])
                hidden = hidden + model.degree.weight.view(12, -1, 9)[degree] @ place
            hidden = hidden + model.lower(torch.tensor(told).double())
            hidden = torch.nn.functional.silu(hidden)
            hidden = hidden + torch.nn.functional.silu(model.deeper(hidden))
            sounds, *again = model.sounds(hidden).sigmoid().tolist()
            nats[-1] += math.log(sounds if key in played[step] else 1 - sounds)
            if lengths and key in played[step] and key in there:
                nats[-1] += math.log(again[0] if key in struck[step] else 1 - again[0])
    return nats


def intervals(key: int, lower: list[int], before: list[int], full: list[int]) -> list[float]:
    """Where voices were, as seen from a key; None stands for a voice that was not there."""

    def code(now: int | None, then: int | None) -> list[float]:
        if now is None or then is None:
            return [0.0] * 25
        return [float(max(-12, min(12, now - then)) == i) for i in range(-12, 13)]

    voice = len(lower)
    near = [before[i] if 0 <= i < len(before) else None for i in (voice - 1, voice, voice + 1)]
    lowest = before[0] if before else None
    own = None if near[1] is None else lowest + (near[1] - lowest) % 12
    found = [code(key, one) for one in near]
    found += [code(own, lowest), code(lower[0] if lower else key, lowest)]
    found.append(code(key, full[voice] if voice < len(full) else None))
    return [value for one in found for value in one]


def parallel(key: int, lower: list[int], before: list[int]) -> list[float]:
    """In how many intervals a key would move in parallel with the four lowest voices."""
    found = [0.0] * 12
    if len(lower) < len(before) and key != before[len(lower)]:
        for now, then in list(zip(lower, before, strict=False))[:4]:
            if now - then == key - before[len(lower)]:
                found[(key - now) % 12] += 1
    return found


def with_lengths(notes: torch.Tensor) -> torch.Tensor:
    """The same frames where keys are held from one to the next, or struck again, as may be."""
    on = sampling.random(*notes.shape, seed=3) < 0.6
    found = notes.clone()
    found[1:][(notes[1:] > 0) & (notes[:-1] > 0) & on[1:]] = -1
    return found


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(
    ("lowest", "keys", "reach", "voice"), [(40, 36, 0, 1), (40, 36, 20, 2), (60, 12, 9, 5)]
)
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(lowest, keys, reach, voice, lengths):
    model = wide(keys, reach, voice=voice, lengths=lengths)
    notes = torch.cat([torch.zeros(2, keys), sampling.chorale(lowest, keys)])
    notes = with_lengths(notes) if lengths else notes
    some = sampling.song(model, notes[None])
    expected = torch.tensor(slowly(model, some.features[0], notes)).double()
    torch.testing.assert_close(sampling.log_prob(model, some)[0], expected)


@pytest.mark.parametrize(("lowest", "keys", "shift"), [(40, 36, -3), (40, 36, 40), (60, 12, 5)])
@torch.no_grad()
def test_it_knows_the_final_and_the_transposition(lowest, keys, shift):
    model = wide(keys, 20, lengths=True)
    notes = with_lengths(sampling.chorale(lowest, keys))
    some = sampling.song(model, notes[None])
    where = torch.zeros(1, len(notes), 10, dtype=torch.int64)
    where[..., FINAL], where[..., SHIFT] = 7, shift
    begin = model.initial(some.past, positions=where)
    found, _ = model.log_prob(some.features, some.known, begin, some.uniforms)
    expected = slowly(model, some.features[0], notes, final=7, shift=shift)
    torch.testing.assert_close(found[0], torch.tensor(expected).double())
    draws = sampling.random(2, 2, 1, len(notes), keys)
    told = model.guess(some.features, some.known, draws, where)
    assert (told != model.guess(some.features, some.known, draws)).any()


@torch.no_grad()
def test_without_dropout_the_training_loss_is_right_on_average(monkeypatch):
    """Of the keys that are silent all the time, some stand for all."""
    model = wide(36, 20, lengths=True).train()
    notes = with_lengths(sampling.chorale(40, 36))[None].expand(200, -1, -1)
    some = sampling.song(model, notes)
    some.features[:] = some.features[:1].clone()
    found = sampling.loss(model, some).sum(1)
    expected = -sampling.log_prob(model, some)[0].sum()
    assert found.std() > 0
    assert abs(found.mean() - expected) < 4 * found.std() / len(found) ** 0.5
    monkeypatch.setattr(tied, "OTHERS", 1.0)
    torch.testing.assert_close(sampling.loss(model, some)[0].sum(), expected)


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
