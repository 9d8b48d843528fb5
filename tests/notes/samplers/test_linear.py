import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.samplers import linear

outputs = st.lists(st.floats(-1, 1), min_size=sampling.KEYS, max_size=sampling.KEYS)


def sampler(*of_keys: float):
    """Of random weights or, if given, with these outputs whatever the features."""
    model = sampling.build(linear)
    if of_keys:
        model.keys.weight.data.zero_()
        model.keys.bias.data = torch.tensor(of_keys, dtype=torch.float64)
    return model


def alone(key: int):
    """The number of the set that holds a key alone."""
    return 2 ** (sampling.KEYS - 1 - key)


@torch.no_grad()
@pytest.mark.parametrize(
    ("of_keys", "silence", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.0], 0.4, [0.1, 0.2, 0.3, 0.0]),
        ([0.5, -3.0, 0.25, -0.1], 0.25, [0.5, 0.0, 0.25, 0.0]),
        ([1.5, 0.5, -1.0, 0.0], 0.0, [0.75, 0.25, 0.0, 0.0]),
        ([-1.0, -2.0, 0.0, -0.5], 1.0, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_something_sounds_as_often_as_the_outputs_sum_to(of_keys, silence, expected):
    model = sampler(*of_keys)
    probs = sampling.exact(model).exp()
    found = probs[[0, *map(alone, range(sampling.KEYS))]]
    torch.testing.assert_close(found, torch.tensor([silence, *expected], dtype=found.dtype))
    assert (probs[sampling.SETS.sum(-1) > 1] == 0).all()
    sampling.check_frequencies(model, probs)


@torch.no_grad()
@sampling.examples
@given(outputs)
def test_the_probabilities_of_all_sets_sum_to_one(of_keys):
    assert abs(sampling.exact(sampler(*of_keys)).exp().sum() - 1) < 1e-12


@pytest.mark.parametrize("of_keys", [[-1.0, 0.0, -0.5, -2.0], [0.5, 0.5, 1.0, 0.0]])
def test_what_has_no_probability_leaves_the_gradient_finite(of_keys):
    model = sampler(*of_keys)
    log_prob = sampling.exact(model)
    assert log_prob.isinf().any()
    log_prob.masked_fill(log_prob.isinf(), 0).sum().backward()
    assert model.keys.bias.grad.isfinite().all()


def test_temperature_zero_takes_the_most_probable():
    model = sampler()
    zero = sampling.draw(model, 1, 0)[0]
    assert torch.equal(zero, sampling.SETS[sampling.exact(model).argmax()])


@torch.no_grad()
def test_temperature_is_a_power_of_the_probabilities():
    model = sampler(0.1, 0.3, -1.0, 0.2)
    drawn = sampling.draw(model, 40_000, 0.5).mean(0)
    squares = torch.tensor([0.01, 0.09, 0.0, 0.04])
    expected = squares / (squares.sum() + 0.4**2)
    torch.testing.assert_close(drawn.float(), expected, atol=0.01, rtol=0)


def test_the_loss_is_the_squared_error():
    model = sampler(0.5, 0.0, -1.0, 1.0)
    step = sampling.first(model, torch.tensor([[1.0, 1.0, 0.0, 1.0]]).double())
    assert sampling.loss(model, step).item() == 0.25 + 1 + 1
