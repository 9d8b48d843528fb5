import torch
from making import positions

from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.velocity import Params, Velocity

BATCH, STEPS = 3, 7


def velocity() -> Velocity:
    torch.manual_seed(3)
    return Velocity(Params(hidden=6)).double()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


KEYS_PLAYED = (random(BATCH, STEPS, KEYS) < 0.05).double()
TRUE = KEYS_PLAYED * random(BATCH, STEPS, KEYS, seed=1).clamp(min=1 / 128)
PAST = random(BATCH, 2, KEYS, seed=2) * (random(BATCH, 2, KEYS, seed=3) < 0.05)
MASK = torch.ones(BATCH, STEPS).double()
PLACES = positions(0, 3, 16, steps=STEPS)
UNUSED = torch.zeros(BATCH, 1, 0)


def given(model: Velocity) -> torch.Tensor:
    """What it gives each step of the true keys, given the true velocities before."""
    state, steps = model.initial(PAST, PLACES), []
    for step in range(STEPS):
        now = slice(step, step + 1)
        steps.append(model.sample(KEYS_PLAYED[:, now], state, UNUSED, 1.0)[0])
        state = model.follow(TRUE[:, now], state)
    return torch.cat(steps, 1)


def test_the_loss_is_the_squared_error_of_the_keys_that_are_struck():
    model, mask = velocity(), MASK.clone()
    mask[:, 5:] = 0
    struck = (KEYS_PLAYED * mask[..., None]) > 0
    expected = (given(model) - TRUE)[struck].square().mean()
    torch.testing.assert_close(model(PAST, TRUE, mask, PLACES), expected)


def test_only_struck_keys_have_a_velocity():
    found = given(velocity())
    assert torch.equal(found > 0, KEYS_PLAYED > 0)
    assert (found < 1).all()


def test_following_is_the_same_as_having_sampled():
    model = velocity()
    velocities, sampled = model.sample(KEYS_PLAYED[:, :1], model.initial(PAST, PLACES), UNUSED, 1.0)
    torch.testing.assert_close(sampled, model.follow(velocities, model.initial(PAST, PLACES)))
    whole = model.follow(TRUE, model.initial(PAST, PLACES))
    parts = model.follow(TRUE[:, 3:], model.follow(TRUE[:, :3], model.initial(PAST, PLACES)))
    torch.testing.assert_close(parts, whole)


def test_the_velocities_of_a_step_do_not_decide_its_own():
    model, changed = velocity(), TRUE.clone()
    changed[:, -1] *= 0.5
    last = MASK * 0
    last[:, -1] = 1
    found = given(model)[:, -1][KEYS_PLAYED[:, -1] > 0]
    for true in (TRUE, changed):
        expected = (found - true[:, -1][KEYS_PLAYED[:, -1] > 0]).square().mean()
        torch.testing.assert_close(model(PAST, true, last, PLACES), expected)


def test_gradients_reach_every_weight():
    model = velocity()
    model(PAST, TRUE, MASK, PLACES).backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())


def test_nothing_struck_is_no_loss():
    assert velocity()(PAST, TRUE * 0, MASK, PLACES) == 0


def test_a_held_key_keeps_its_velocity():
    """Drawing step by step is like following what was drawn."""
    model, keys = velocity(), torch.zeros(1, 3, KEYS).double()
    keys[0, :, 40] = torch.tensor([1.0, -1.0, -1.0])
    keys[0, 1, 50] = 1
    state, drawn = model.initial(torch.zeros(1, 1, KEYS).double(), PLACES[:1]), []
    for step in range(3):
        velocities, state = model.sample(keys[:, step : step + 1], state, UNUSED, 1.0)
        drawn.append(velocities)
    played = torch.cat(drawn, 1)
    assert torch.equal(played.sign(), keys)
    assert (played[0, :, 40].abs() == played[0, 0, 40]).all()
    begin = model.initial(torch.zeros(1, 1, KEYS).double(), PLACES[:1])
    torch.testing.assert_close(model.follow(played, begin), state)
