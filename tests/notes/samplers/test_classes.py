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


def test_temperature_zero_takes_the_most_probable():
    model = sampler()
    assert torch.equal(sampling.draw(model, 1, 0)[0], SETS[sampling.exact(model).argmax()])


@pytest.mark.parametrize(("sets", "count"), [("all", 4096), ("five", 1586), ("seen", 1586)])
def test_how_many_sets_of_pitch_classes_are_outcomes(sets, count):
    model = classes.Model(FEATURES, 12, classes.Params(hidden=[2], sets=sets))
    assert model.allowed.sum() == count


@sampling.examples
@given(st.lists(st.integers(0, 15), min_size=1))
def test_just_the_sets_seen_are_outcomes(numbers):
    model = sampler("seen")
    model.learn_sets(SETS[numbers])
    expected = torch.tensor([number in numbers for number in range(16)])
    assert torch.equal(model.in_support(SETS), expected)
    assert torch.equal(sampling.exact(model) > -torch.inf, expected)


def test_what_was_seen_is_saved_with_the_weights():
    model, loaded = sampler("seen"), sampling.build(classes, hidden=[6, 8], sets="seen")
    assert not torch.equal(loaded.in_support(SETS), model.in_support(SETS))
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded.in_support(SETS), model.in_support(SETS))


def test_only_the_seen_are_learnt():
    assert sampler("all").in_support(SETS).all()
    assert sampler("five").in_support(SETS).all()


def test_88_keys_are_the_users_error():
    params = classes.Params(hidden=[2], sets="five")
    with pytest.raises(UserError, match="12 pitch classes, not 88 keys"):
        classes.Model(FEATURES, 88, params)


def test_fewer_keys_than_12_will_do():
    assert sampler().sets.shape == (2**KEYS, KEYS)
