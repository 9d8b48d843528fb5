"""The fast form of A18 and the slow one of the benchmarks are the same mathematics."""

import torch
from making import positions
from reference_a18 import CONFIG, DECODER, SlowGenerator, random_batch

from ostinato.notes.compose.compose import continue_keys
from ostinato.notes.generator import Generator
from ostinato.notes.performer import VELOCITY
from ostinato.notes.system import System


def test_both_forms_give_the_same_loss_and_gradients_on_the_same_draws():
    torch.manual_seed(0)
    fast = Generator(CONFIG).double()
    for weight in fast.parameters():
        weight.data *= 2
    slow = SlowGenerator(fast)
    batch, uniforms = random_batch(3, 20, fast)
    doubles = (each.double() for each in (batch.past, batch.notes, batch.mask))
    batch = type(batch)(*doubles, batch.positions)
    batch.mask[1, 12:] = 0
    losses, gradients = [], []
    for model in (fast, slow):
        loss = model(batch, uniforms.double())
        losses.append(loss)
        gradients.append(torch.autograd.grad(loss, list(fast.parameters())))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    assert all(g.abs().max() > 0 for g in gradients[0])


def test_both_forms_compose_the_same_pieces_on_the_same_draws():
    torch.manual_seed(0)
    fast = System(CONFIG, DECODER)
    begun = (torch.rand(3, 16, 88) < 0.04).float()
    uniforms = torch.rand(3, 46, fast.num_uniforms)
    where = positions(0, 0, 0, steps=46)
    pieces = continue_keys(fast, begun * VELOCITY, where, 1.0, uniforms) / VELOCITY
    assert pieces[:, 16:].sum() > 20
    for piece, one, other in zip(pieces, begun, uniforms, strict=True):
        slow = SlowGenerator(fast.generator).compose(fast.performer.decoder, one, 30, other)
        assert torch.equal(slow, piece)
