import itertools
import math

import decoding
import torch
from decoding import MASK, PAST, PLAYED
from sampling import random

from ostinato.notes.data.rolls import KEYS
from ostinato.notes.decoders import rbm

UNITS = 4
HIDDEN = torch.tensor(list(itertools.product([0.0, 1.0], repeat=UNITS))).double()
UNIFORMS = random(*MASK.shape, UNITS + KEYS, seed=2)


def decoder():
    model = decoding.build(rbm, hidden=5, units=UNITS)
    model.weight.data *= 40  # far from no weights at all
    return model


def free_energy(model, keys: torch.Tensor, hidden: torch.Tensor, visible: torch.Tensor):
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
        drawn = drawn * model.keys_of(model.classes(keys))
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
        uniforms = random(repeats, 1, model.num_uniforms, seed=5)
        bound, _ = model.log_prob(keys.expand(repeats, -1, -1), many, uniforms)
        assert bound.std() > 0.1
        assert bound.mean() <= exact + 4 * bound.std() / math.sqrt(repeats)
        error = bound.exp().std() / math.sqrt(repeats)
        assert abs(bound.exp().mean() - exact.exp()) <= 4 * error
