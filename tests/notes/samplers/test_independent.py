import math

import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.samplers import independent


def sampler():
    return sampling.build(independent)


def test_probabilities_are_exact():
    sampling.check_exact(sampler())


def test_a_whole_sequence_is_the_same_as_its_steps():
    sampling.check_steps(sampler())


def test_gradients_reach_every_weight():
    sampling.check_gradients(sampler())


def test_temperature_zero_takes_the_most_probable():
    model = sampler()
    sampling.check_cold(model)
    zero = sampling.draw(model, 1, 0)[0]
    assert torch.equal(zero, sampling.SETS[sampling.exact(model).argmax()])


def test_probabilities_are_those_of_float32_under_autocast():
    sampling.check_autocast(sampler())


@sampling.examples
@given(st.integers(0, 15))
def test_away_from_the_clamps_the_loss_is_the_log_probability(number):
    model, features = sampler(), sampling.random(1, 1, sampling.FEATURES)
    notes = sampling.SETS[None, None, number]
    uniforms = sampling.random(1, 1, model.draws)
    loss, _ = model.loss(features, notes, None, uniforms)
    log_prob, _ = model.log_prob(features, notes, None, uniforms)
    torch.testing.assert_close(loss, -log_prob)


@torch.no_grad()
def test_only_the_loss_is_clamped():
    model, features = sampler(), 1000 * sampling.random(1, 1, sampling.FEATURES)
    uniforms = sampling.random(1, 1, model.draws)
    unlikely = 1 - model.sample(features, None, uniforms, 0)[0]
    loss, _ = model.loss(features, unlikely, None, uniforms)
    log_prob, _ = model.log_prob(features, unlikely, None, uniforms)
    assert math.isclose(loss, -sampling.KEYS * math.log(1e-6), rel_tol=1e-9)
    assert -1e6 < log_prob < -100
