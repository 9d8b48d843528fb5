import itertools
import math

import pytest
import torch

from ostinato.notes.data.rolls import KEYS
from ostinato.notes.decoders.rbm import Decoder, Params

BATCH, STEPS, UNITS = 3, 6, 4
HIDDEN = torch.tensor(list(itertools.product([0.0, 1.0], repeat=UNITS))).double()


def decoder() -> Decoder:
    torch.manual_seed(3)
    model = Decoder(Params(hidden=5, units=UNITS)).double()
    for weight in model.parameters():
        weight.data *= 3
    model.weight.data *= 40  # far from no weights at all
    return model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


PLAYED = (random(BATCH, STEPS, KEYS) < 0.04).double()
PAST = (random(BATCH, 2, KEYS, seed=1) < 0.04).double()
UNIFORMS = random(BATCH, STEPS, UNITS + KEYS, seed=2)
MASK = torch.ones(BATCH, STEPS).double()


def free_energy(model: Decoder, keys: torch.Tensor, hidden: torch.Tensor, visible: torch.Tensor):
    """Of one step, by its definition: over all states of the hidden units."""
    energy = -(keys @ visible) - HIDDEN @ hidden - HIDDEN @ model.weight @ keys
    return -(-energy).logsumexp(0)


@torch.no_grad()
def test_the_loss_is_a_difference_of_free_energies():
    model, mask = decoder(), MASK.clone()
    mask[1:, 4:] = 0
    hidden_bias, key_bias, _ = model._biases(PLAYED, model.initial(PAST))
    total, moved = 0.0, 0.0
    for b, t in mask.nonzero().tolist():
        keys, hidden, visible = PLAYED[b, t], hidden_bias[b, t], key_bias[b, t]
        for_units, for_keys = UNIFORMS[b, t].split([UNITS, KEYS])
        units = (for_units < (model.weight @ keys + hidden).sigmoid()).double()
        drawn = (for_keys < (units @ model.weight + visible).sigmoid()).double()
        drawn = drawn * model.possible(model.classes(keys))
        total += free_energy(model, keys, hidden, visible)
        total -= free_energy(model, drawn, hidden, visible)
        moved += (drawn - keys).abs().sum()
    assert moved > 0
    torch.testing.assert_close(model(PAST, PLAYED, mask, UNIFORMS), total / mask.sum())


@torch.no_grad()
def test_the_bound_lies_below_the_exact_probability():
    model, repeats = decoder(), 4000
    for step in range(2):
        keys = PLAYED[:1, step, None]
        state = model.initial(PAST[:1] if step == 0 else PLAYED[:1, :1])
        hidden_bias, key_bias, _ = model._biases(keys, state)
        logits = model.weight @ state.keys[0, 0] + hidden_bias[0, 0]
        weights = -torch.nn.functional.softplus((1 - 2 * HIDDEN) * logits).sum(-1)
        given = model.log_prob_of(HIDDEN @ model.weight + key_bias[0], keys[0].expand(16, -1))
        exact = (weights + given).logsumexp(0)
        many = model.initial(state.keys.expand(repeats, -1, -1))
        uniforms = random(repeats, 1, model.draws, seed=5)
        bound, _ = model.log_prob(keys.expand(repeats, -1, -1), many, uniforms)
        assert bound.std() > 0.1
        assert bound.mean() <= exact + 4 * bound.std() / math.sqrt(repeats)
        error = bound.exp().std() / math.sqrt(repeats)
        assert abs(bound.exp().mean() - exact.exp()) <= 4 * error


def test_a_whole_sequence_is_the_same_as_its_steps():
    model = decoder()
    whole, end = model.log_prob(PLAYED, model.initial(PAST), UNIFORMS)
    state, parts = model.initial(PAST), []
    for keys, uniforms in zip(
        PLAYED.split([1, 2, 3], 1), UNIFORMS.split([1, 2, 3], 1), strict=True
    ):
        value, state = model.log_prob(keys, state, uniforms)
        parts.append(value)
    assert whole.shape == (BATCH, STEPS)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, end)


def test_following_is_the_same_as_having_sampled():
    model = decoder()
    classes = model.classes(PLAYED[:, :1])
    keys, sampled = model.sample(classes, model.initial(PAST), UNIFORMS[:, :1], 1.0)
    torch.testing.assert_close(sampled, model.follow(keys, model.initial(PAST)))


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0])
def test_samples_have_just_the_sounding_classes(temperature):
    model = decoder()
    classes = (random(200, 1, 12, seed=2) < 0.3).double()
    state = model.initial(PAST[:1].expand(200, -1, -1))
    keys, _ = model.sample(classes, state, random(200, 1, model.draws, seed=3), temperature)
    assert torch.equal(model.classes(keys), classes)


def test_the_likeliest_are_those_of_temperature_zero():
    model = decoder()
    found, state = model.likeliest(PLAYED, model.initial(PAST)), model.initial(PAST)
    for step in range(STEPS):
        now = slice(step, step + 1)
        classes = model.classes(PLAYED[:, now])
        for temperature in (0, 1e-6):
            keys, _ = model.sample(classes, state, UNIFORMS[:, now], temperature)
            assert torch.equal(keys, found[:, now])
        state = model.follow(PLAYED[:, now], state)


def test_gradients_reach_every_weight():
    model = decoder()
    model(PAST, PLAYED, MASK, UNIFORMS).backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name
