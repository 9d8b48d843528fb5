import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.samplers import voices


def sampler(count: int = 3, objective: str = "marginals"):
    return sampling.build(voices, voices=count, objective=objective)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_probabilities_are_exact(count):
    sampling.check_exact(sampler(count))


@pytest.mark.parametrize("objective", ["marginals", "union"])
def test_a_whole_sequence_is_the_same_as_its_steps(objective):
    sampling.check_steps(sampler(4, objective))


@pytest.mark.parametrize("objective", ["marginals", "union"])
def test_gradients_reach_every_weight(objective):
    sampling.check_gradients(sampler(objective=objective))


def test_impossible_steps_leave_the_gradient_finite():
    sampling.check_log_prob_gradients(sampler())


def test_temperature_zero_takes_the_most_probable_of_each_voice():
    model = sampler()
    sampling.check_cold(model)
    likeliest = model.voices(sampling.random(1, 1, sampling.FEATURES))[0, 0].argmax(-1)
    drawn = sampling.draw(model, 1, 0)[0]
    assert drawn.nonzero()[:, 0].tolist() == sorted({*likeliest.tolist()} - {sampling.KEYS})


def test_probabilities_are_those_of_float32_under_autocast():
    sampling.check_autocast(sampler())


def test_marginals_are_those_of_the_exact_probabilities():
    model, features = sampler(), sampling.random(1, 1, sampling.FEATURES)
    p = sampling.exact(model).exp() @ sampling.SETS
    notes = sampling.SETS[5]
    loss, _ = model.loss(features, notes[None, None], None, sampling.random(1, 1, 3))
    expected = torch.nn.functional.binary_cross_entropy(p, notes, reduction="sum")
    torch.testing.assert_close(loss[0, 0], expected)


@sampling.examples
@given(st.integers(0, 15))
def test_the_union_as_loss_is_the_log_probability(number):
    model, features = sampler(objective="union"), sampling.random(1, 1, sampling.FEATURES)
    notes, uniforms = sampling.SETS[None, None, number], sampling.random(1, 1, 3)
    loss, _ = model.loss(features, notes, None, uniforms)
    log_prob, _ = model.log_prob(features, notes, None, uniforms)
    assert loss == (-log_prob if notes.sum() <= 3 else 0)
