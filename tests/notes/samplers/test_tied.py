import itertools
import math

import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st
from matching import match

from ostinato.notes.samplers import tied

REACHES, COPIES = [0, 1, 5], [(), (1, 3)]


def sampler(reach: int = 5, copies: tuple[int, ...] = ()):
    sizes = {"cells": 4, "hidden": 5, "around": 2, "voice": 1, "gate": 4, "copies": list(copies)}
    return sampling.build(tied, reach=reach, dropout=0.0, input_dropout=0.0, **sizes)


def wide(keys: int, reach: int, voice: int = 1, copies: tuple[int, ...] = ()):
    torch.manual_seed(7)
    sizes = {"cells": 4, "hidden": 5, "around": 3, "gate": 4, "copies": list(copies)}
    params = tied.Params(reach=reach, voice=voice, dropout=0.0, input_dropout=0.0, **sizes)
    model = tied.Sampler(sampling.FEATURES, keys, params).double()
    for weight in model.parameters():
        weight.data *= 2
    return model


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize(
    "check",
    [
        sampling.check_exact,
        sampling.check_steps,
        sampling.check_gradients,
        sampling.check_cold,
        sampling.check_autocast,
    ],
)
def test_it_is_a_sampler(check, reach, copies):
    check(sampler(reach, copies))


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize("keys", [5, 12])
@torch.no_grad()
def test_probabilities_of_all_sets_sum_to_one_after_any_past(keys, reach, copies):
    model = wide(keys, reach, copies=copies)
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()
    features = sampling.random(1, 9, sampling.FEATURES).expand(len(sets), -1, -1)
    past = (sampling.random(1, 8, keys) < 0.3).double().expand(len(sets), -1, -1)
    _, state = model.log_prob(features[:, :8], past, sampling.begin(model, features, keys), None)
    log_prob, _ = model.log_prob(features[:, 8:], sets[:, None], state, None)
    assert abs(log_prob.exp().sum() - 1) < 1e-12


def slowly(model, features: torch.Tensor, notes: torch.Tensor, begin: int = 0) -> list[float]:
    """The log-probability of each step of one sequence from one on, key by key."""
    steps, keys = notes.shape
    ring, reach = keys == 12, model.searched
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
            seen = around(before, key, model.around)
            there = before.nonzero()[:, 0].tolist()
            seen += [sum((other - key) % 12 == i for other in there) for i in range(12)]
            seen += [len(there) / 4, *model.name.weight[key].tolist()]
            seen += model.told(features[step]).tolist()
            if reach:
                near = [around(frame, key, model.voice) for frame in notes]
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
            told = [float(place in lower) for place in range(key - model.around, key)]
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
    features = sampling.random(1, len(notes), sampling.FEATURES)
    begin = sampling.begin(model, features, keys)
    found, _ = model.log_prob(features, notes[None], begin, None)
    torch.testing.assert_close(found[0], torch.tensor(slowly(model, features[0], notes)).double())


@torch.no_grad()
def test_it_finds_what_was_played_before_the_sequence():
    """The LSTM begins at zero there, which the slow one does if it is not heard before."""
    model, notes = wide(36, 20), sampling.chorale(40, 36)
    features = sampling.random(1, len(notes), sampling.FEATURES)
    found, _ = model.log_prob(
        features[:, 16:], notes[None, 16:], model.initial(notes[None, :16]), None
    )
    expected = slowly(model, features[0], notes, begin=16)
    torch.testing.assert_close(found[0], torch.tensor(expected).double())
    untold, _ = model.log_prob(
        features[:, 16:], notes[None, 16:], sampling.begin(model, features, 36), None
    )
    assert (found != untold).any()


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("reach", REACHES)
@sampling.examples
@given(changed=st.integers(1, sampling.STEPS - 1))
def test_a_step_knows_the_steps_before_it_alone(changed, reach, copies):
    model = sampler(reach, copies)
    features, notes, _ = sampling.sequence(model.draws)
    before, _ = model.log_prob(features, notes, sampling.begin(model, features), None)
    notes[:, changed] = 1 - notes[:, changed]
    after, _ = model.log_prob(features, notes, sampling.begin(model, features), None)
    assert torch.equal(after[:, :changed], before[:, :changed])
    assert (after[:, changed + 1 :] != before[:, changed + 1 :]).all()


@pytest.mark.parametrize("left_out", ["dropout", "input_dropout"])
def test_what_is_left_out_is_drawn_in_training_only(left_out):
    model = sampler()
    features, notes, _ = sampling.sequence(model.draws)

    def nats():
        return model.log_prob(features, notes, sampling.begin(model, features), None)[0]

    whole = nats()
    setattr(model, left_out, 0.5)
    assert not torch.equal(nats(), nats())
    model.eval()
    assert torch.equal(nats(), whole)


def test_what_is_left_out_is_left_out_at_all_steps_and_the_rest_makes_up_for_it():
    model, values = sampler(), torch.ones(50, 7, 30)
    torch.manual_seed(0)
    dropped = model._drop(values, 0.2)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0, 1.25}
    assert abs((dropped == 0).float().mean() - 0.2) < 4 * (0.2 * 0.8 / 1500) ** 0.5


@torch.no_grad()
def test_it_takes_no_more_memory_than_it_may(monkeypatch):
    model = sampler()
    features, notes, _ = sampling.sequence(model.draws)
    whole, _ = model.log_prob(features, notes, sampling.begin(model, features), None)
    most, rows = 3 * sampling.BATCH * sampling.KEYS, []
    monkeypatch.setattr(tied, "ROWS", most)
    model.lasting.register_forward_hook(lambda _, given, __: rows.append(given[0][..., 0].numel()))
    parts, _ = model.log_prob(features, notes, sampling.begin(model, features), None)
    torch.testing.assert_close(parts, whole)
    assert max(rows) == most
    assert sum(rows) == notes.numel()
