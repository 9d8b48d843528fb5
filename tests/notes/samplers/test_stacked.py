import pytest
import sampling
import torch

from ostinato.notes.parts import unions
from ostinato.notes.samplers import stacked


def sampler(passes: int = 3):
    return sampling.build(stacked, passes=passes, hidden=6)


@pytest.mark.parametrize("passes", [1, 3, 5])
def test_probabilities_are_exact(passes):
    sampling.check_exact(sampler(passes))


def test_a_whole_sequence_is_the_same_as_its_steps():
    sampling.check_steps(sampler(4))


def test_gradients_reach_every_weight():
    sampling.check_gradients(sampler())


def test_impossible_steps_leave_the_gradient_finite():
    sampling.check_log_prob_gradients(sampler())


def test_temperature_zero_takes_the_most_probable_of_each_answer():
    sampling.check_cold(sampler())


def test_probabilities_are_those_of_float32_under_autocast():
    sampling.check_autocast(sampler())


def test_each_pass_is_given_the_same_features_and_the_probability_so_far():
    model = sampler()
    features, notes, uniforms = sampling.sequence(model.draws)
    heard, answers = [], []
    model.network.register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    model.answer.register_forward_hook(lambda _, args, answer: answers.append(answer))
    loss, _ = model.loss(features, notes, model.initial(features), uniforms)
    p = torch.zeros_like(notes)
    for seen, answer in zip(heard, answers, strict=True):
        torch.testing.assert_close(seen, torch.cat([features, p], -1))
        p = p + (1 - p) * answer[..., 0, :-1].exp()
    torch.testing.assert_close(loss, unions.cross_entropy(p, notes))
    assert len(heard) == 3
