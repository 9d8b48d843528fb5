import math

import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.samplers import independent


def sampler():
    return sampling.build(independent)


def test_temperature_zero_takes_the_most_probable():
    model = sampler()
    zero = sampling.draw(model, 1, 0)[0]
    assert torch.equal(zero, sampling.SETS[sampling.exact(model).argmax()])


@sampling.examples
@given(st.integers(0, 15))
def test_away_from_the_clamps_the_loss_is_the_log_probability(number):
    model = sampler()
    step = sampling.first(model, sampling.SETS[[number]])
    torch.testing.assert_close(sampling.loss(model, step), -sampling.log_prob(model, step))


@torch.no_grad()
def test_only_the_loss_is_clamped():
    model = sampler()
    model.keys.weight *= 1000
    unlikely = sampling.first(model, 1 - sampling.draw(model, 1, 0))
    expected = -sampling.KEYS * math.log(1e-6)
    assert math.isclose(sampling.loss(model, unlikely), expected, rel_tol=1e-9)
    assert -1e6 < sampling.log_prob(model, unlikely) < -100
