"""The distribution over velocities."""

import pytest
import torch
from making import positions
from sampling import random

from ostinato.notes.data.positions import Bars, Positions
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.dynamics import LEVELS, Dynamics
from ostinato.notes.parts.velocity import Params

BATCH, STEPS = 3, 7
PLACES = positions(0, 3, 16, steps=STEPS)
MASK = torch.ones(BATCH, STEPS).double()


def dynamics() -> Dynamics:
    torch.manual_seed(3)
    return Dynamics(Params(hidden=6)).double()


def levels(marks: torch.Tensor, seed: int) -> torch.Tensor:
    """Give whole velocities to struck keys; what is held is negative."""
    return marks * (random(*marks.shape, seed=seed) * LEVELS + 0.5).round().clamp(min=1) / 128


KEYS_PLAYED = (random(BATCH, STEPS, KEYS, seed=5) < 0.05).double()
TRUE = levels(KEYS_PLAYED, 1)
PAST = levels((random(BATCH, 2, KEYS, seed=2) < 0.05).double(), 3)


@torch.no_grad()
def test_probabilities_of_all_velocities_sum_to_one():
    model = dynamics()
    for weight in model.parameters():
        weight *= 3
    two = torch.zeros(LEVELS**2, 1, KEYS).double()
    two[:, 0, 40] = torch.arange(1, LEVELS + 1).repeat(LEVELS) / 128
    two[:, 0, 47] = torch.arange(1, LEVELS + 1).repeat_interleave(LEVELS) / 128
    begin = model.initial(PAST[:1].expand(len(two), -1, -1), PLACES[:1].expand(len(two), -1, -1))
    nats, _ = model.log_prob(two, begin)
    assert abs(nats.exp().sum() - 1) < 1e-9
    alone = nats.exp().view(LEVELS, LEVELS)
    assert (alone[0] / alone[0].sum() - alone.sum(0) / alone.sum()).abs().max() > 1e-4


@torch.no_grad()
def test_a_whole_sequence_is_the_same_as_its_steps():
    model = dynamics()
    begin = model.initial(PAST, PLACES)
    whole, end = model.log_prob(TRUE, begin)
    state, parts = begin, []
    for step in range(STEPS):
        nats, state = model.log_prob(TRUE[:, step : step + 1], state)
        parts.append(nats)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, end)
    torch.testing.assert_close(model.follow(TRUE, begin), end)


@torch.no_grad()
def test_velocities_are_drawn_as_often_as_their_probabilities_say():
    model, many = dynamics(), 20_000
    for weight in model.parameters():
        weight *= 4
    model.hidden.weight[:, -2:] *= 5  # so that the keys below count
    keys = torch.zeros(many, 1, KEYS).double()
    keys[:, 0, [40, 47]] = 1
    begin = model.initial(PAST[:1].expand(many, -1, -1), PLACES[:1].expand(many, -1, -1))
    drawn, _ = model.sample(keys, begin, random(many, 1, KEYS, seed=8), 1.0)
    assert torch.equal(drawn > 0, keys > 0)
    every = torch.zeros(LEVELS**2, 1, KEYS).double()
    every[:, 0, 40] = torch.arange(1, LEVELS + 1).repeat_interleave(LEVELS) / 128
    every[:, 0, 47] = torch.arange(1, LEVELS + 1).repeat(LEVELS) / 128
    past, places = (one[:1].expand(len(every), -1, -1) for one in (PAST, PLACES))
    begin = model.initial(past, places)
    expected = model.log_prob(every, begin)[0].exp().view(LEVELS, LEVELS)
    low, high = ((drawn[:, 0, key] * 128).round().long() - 1 for key in (40, 47))
    counts = torch.bincount(low * LEVELS + high, minlength=LEVELS**2).view(LEVELS, LEVELS)
    difference = counts.cumsum(0).cumsum(1) / many - expected.cumsum(0).cumsum(1)
    assert difference.abs().max() < 0.015
    alone = expected.sum(1)[:, None] * expected.sum(0)
    assert (alone.cumsum(0).cumsum(1) - expected.cumsum(0).cumsum(1)).abs().max() > 0.03


@torch.no_grad()
def test_at_temperature_zero_the_most_probable_is_taken():
    model, keys = dynamics(), torch.zeros(BATCH, 1, KEYS).double()
    keys[:, 0, 40] = 1
    begin = model.initial(PAST, PLACES)
    cold = [model.sample(keys, begin, random(BATCH, 1, KEYS, seed=s), 0)[0] for s in (1, 2)]
    assert torch.equal(*cold)
    every = torch.arange(1, LEVELS + 1).double() / 128
    nats = [model.log_prob(keys * level, begin)[0][:, 0] for level in every]
    assert torch.equal(cold[0][:, 0, 40], every[torch.stack(nats, 1).argmax(1)])


@torch.no_grad()
def test_a_held_key_keeps_its_velocity_and_is_not_counted():
    model, keys = dynamics(), torch.zeros(1, 3, KEYS).double()
    keys[0, :, 40] = torch.tensor([1.0, -1.0, -1.0])
    keys[0, 1, 50] = 1
    silence, drawn = torch.zeros(1, 1, KEYS).double(), []
    state = begin = model.initial(silence, PLACES[:1])
    for step in range(3):
        chance = random(1, 1, KEYS, seed=step)
        velocities, state = model.sample(keys[:, step : step + 1], state, chance, 1.0)
        drawn.append(velocities)
    played = torch.cat(drawn, 1)
    assert torch.equal(played.sign(), keys)
    assert (played[0, :, 40].abs() == played[0, 0, 40]).all()
    torch.testing.assert_close(model.follow(played, begin), state)
    nats, _ = model.log_prob(played, begin)
    assert (nats[0, :2] < 0).all()
    assert nats[0, 2] == 0


def test_the_loss_is_that_of_a_struck_key_on_average():
    model, mask = dynamics(), MASK.clone()
    mask[:, 5:] = 0
    nats, _ = model.log_prob(TRUE, model.initial(PAST, PLACES))
    expected = -nats[:, :5].sum() / KEYS_PLAYED[:, :5].sum()
    torch.testing.assert_close(model(PAST, TRUE, mask, PLACES), expected)
    assert model(PAST, TRUE * 0, MASK, PLACES) == 0
    model(PAST, TRUE, MASK, PLACES).backward()
    assert all(weight.grad.abs().max() > 0 for weight in model.parameters())


@pytest.mark.parametrize("accented", [12, 16])
def test_it_learns_which_beats_are_loud(accented):
    """The first step of each bar of 12 or 16 steps is loud; counting alone could not tell which."""
    torch.manual_seed(0)
    model = Dynamics(Params(hidden=8))
    places = torch.from_numpy(Positions([Bars(0, accented, 4)], 480)(0, 96))[None]
    played = torch.zeros(1, 96, KEYS)
    played[:, :, 40] = 40 / 128
    played[:, ::accented, 40] = 100 / 128
    optimizer, mask = torch.optim.Adam(model.parameters(), 0.02), torch.ones(1, 96)
    for _ in range(150):
        loss = model(played[:, :1] * 0, played, mask, places)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        struck = played.sign()
        state, drawn = model.initial(played[:, :1] * 0, places), []
        for step in range(96):
            now, state = model.sample(struck[:, step : step + 1], state, torch.zeros(1, 1, KEYS), 0)
            drawn.append(round(float(now[0, 0, 40] * 128)))
    loud = drawn[::accented]
    quiet = [level for step, level in enumerate(drawn) if step % accented]
    assert min(loud) > 90
    assert max(quiet) < 50
