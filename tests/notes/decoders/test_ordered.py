import itertools

import decoding
import numpy as np
import pytest
import sampling
import torch
from decoding import MASK, PAST, PLAYED
from hypothesis import given
from hypothesis import strategies as st
from sampling import random

from ostinato.notes.decoders import ordered

TOY = np.array([0, 1, 2, 0, 1, 2, 0])
TIGHT = np.arange(14) % 12


def decoder(*keyboard: np.ndarray):
    return decoding.build(ordered, *keyboard, scale=4, hidden=6, max_notes=12)


def sets(keys: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()


def after(model, keys: int, count: int):
    """The state of many copies of one past."""
    past = (random(1, 5, keys, seed=2) < 0.3).double()
    state = model.initial(past[:, :2].expand(count, -1, -1))
    return model.follow(past[:, 2:].expand(count, -1, -1), state)


@torch.no_grad()
def test_probabilities_of_all_key_sets_of_the_sounding_classes_sum_to_one():
    model, every = decoder(TOY), sets(7)
    log_probs, _ = model.log_prob(every[:, None], after(model, 7, len(every)), None)
    sounding = (model.classes(every) @ torch.tensor([1.0, 2.0, 4.0]).double()).long()
    total = torch.zeros(8).double().index_add(0, sounding, log_probs[:, 0].exp())
    torch.testing.assert_close(total, torch.ones(8).double())
    assert log_probs[0, 0] == 0


@torch.no_grad()
def test_no_probability_is_lost_where_the_draws_are_just_enough():
    model = decoder(TIGHT)
    every = torch.ones(16, 14).double()
    every[:, [0, 1, 12, 13]] = sets(4)
    every = every[model.classes(every).all(-1)]
    log_probs, _ = model.log_prob(every[:, None], after(model, 14, len(every)), None)
    assert torch.equal(log_probs[:, 0] > -torch.inf, every.sum(-1) <= 12)
    assert (log_probs > -torch.inf).sum() == 4
    torch.testing.assert_close(log_probs.exp().sum(), torch.tensor(1.0).double())


@torch.no_grad()
@pytest.mark.parametrize("chosen", [[1, 0, 0], [0, 1, 1], [1, 1, 1]])
def test_keys_are_drawn_with_their_probabilities(chosen):
    model, every, count = decoder(TOY), sets(7), 20_000
    classes = torch.tensor(chosen).double()
    every = every[(model.classes(every) == classes).all(-1)]
    log_probs, _ = model.log_prob(every[:, None], after(model, 7, len(every)), None)
    probs = log_probs[:, 0].exp()
    drawn, _ = model.sample(
        classes.expand(count, 1, -1), after(model, 7, count), random(count, 1, 12, seed=4), 1.0
    )
    found = torch.stack([(drawn[:, 0] == one).all(-1).double().mean() for one in every])
    assert ((found - probs).abs() <= 4 * (probs * (1 - probs) / count).sqrt() + 1e-12).all()


@sampling.examples
@given(st.integers(0, 4095), st.sampled_from([0, 0.5, 1.0, 2.0]))
def test_samples_have_just_the_sounding_classes(number, temperature):
    model, count = decoder(), 20
    bits = torch.tensor([number >> c & 1 for c in range(12)]).double()
    state = model.initial(PAST[:1].expand(count, -1, -1))
    uniforms = random(count, 1, model.num_uniforms, seed=number)
    keys, _ = model.sample(bits.expand(count, 1, -1), state, uniforms, temperature)
    assert (model.classes(keys) == bits).all()
    assert (keys.sum(-1) <= model.num_uniforms).all()
    log_prob, _ = model.log_prob(keys, state, None)
    assert log_prob.isfinite().all()


def test_the_loss_is_the_log_probability_of_the_steps_that_count():
    model, mask = decoder(), MASK.clone()
    mask[:, 4:] = 0
    keys = PLAYED.clone()
    keys[1, 2, :20] = 1  # too many
    log_prob, _ = model.log_prob(keys, model.initial(PAST), None)
    assert log_prob[1, 2] == -torch.inf
    counted = log_prob[:, :4][log_prob[:, :4].isfinite()]
    loss = model(PAST, keys, mask, None)
    torch.testing.assert_close(loss, -counted.mean())
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name
