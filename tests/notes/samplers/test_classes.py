import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st
from sampling import FEATURES, KEYS, SETS

from ostinato.core.errors import UserError
from ostinato.notes.samplers import classes

SEEN = SETS[[0, 1, 6, 9, 10]]


def sampler(sets: str = "all"):
    model = sampling.build(classes, hidden=[6, 8], sets=sets)
    model.learn_sets(SEEN.repeat(2, 1))
    return model


@pytest.mark.parametrize("sets", ["all", "five", "seen"])
def test_probabilities_are_exact(sets):
    sampling.check_exact(sampler(sets))


@pytest.mark.parametrize("sets", ["all", "seen"])
def test_a_whole_sequence_is_the_same_as_its_steps(sets):
    sampling.check_steps(sampler(sets))


@pytest.mark.parametrize("sets", ["all", "seen"])
def test_gradients_reach_every_weight(sets):
    sampling.check_gradients(sampler(sets))


def test_impossible_steps_leave_the_gradient_finite():
    sampling.check_log_prob_gradients(sampler("seen"))


def test_temperature_zero_takes_the_most_probable():
    model = sampler()
    sampling.check_cold(model)
    assert torch.equal(sampling.draw(model, 1, 0)[0], SETS[sampling.exact(model).argmax()])


def test_probabilities_are_those_of_float32_under_autocast():
    sampling.check_autocast(sampler("seen"))


@pytest.mark.parametrize(("sets", "count"), [("all", 4096), ("five", 1586), ("seen", 1586)])
def test_how_many_sets_of_pitch_classes_are_outcomes(sets, count):
    model = classes.Sampler(FEATURES, 12, classes.Params(hidden=[2], sets=sets))
    assert model.allowed.sum() == count


@sampling.examples
@given(st.lists(st.integers(0, 15), min_size=1))
def test_just_the_sets_seen_are_outcomes(numbers):
    model = sampler("seen")
    model.learn_sets(SETS[numbers])
    expected = torch.tensor([float(number in numbers) for number in range(16)]).double()
    assert torch.equal(model.possible(SETS), expected)
    assert torch.equal((sampling.exact(model) > -torch.inf).double(), expected)


def test_what_was_seen_is_saved_with_the_weights():
    model, loaded = sampler("seen"), sampling.build(classes, hidden=[6, 8], sets="seen")
    assert not torch.equal(loaded.possible(SETS), model.possible(SETS))
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded.possible(SETS), model.possible(SETS))


def test_only_the_seen_are_learnt():
    assert sampler("all").possible(SETS).all()
    assert sampler("five").possible(SETS).all()


def test_88_keys_are_the_users_error():
    params = classes.Params(hidden=[2], sets="five")
    with pytest.raises(UserError, match="12 pitch classes, not 88 keys"):
        classes.Sampler(FEATURES, 88, params)


def test_fewer_keys_than_12_will_do():
    assert sampler().sets.shape == (2**KEYS, KEYS)
