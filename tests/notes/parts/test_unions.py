import itertools
import math

import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ostinato.core.errors import UserError
from ostinato.notes.parts import unions

logits = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: arrays("f8", (size[0], size[1] + 1), elements=st.floats(-20, 20))
)
"""Of up to 4 voices over up to 4 keys and a pause."""


def every_set(keys: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()


def enumerated(log_probs: torch.Tensor) -> torch.Tensor:
    """Probability of each set, over all that the voices can draw."""
    voices, outcomes = log_probs.shape
    sets = every_set(outcomes - 1)
    probs = torch.zeros(len(sets), dtype=torch.float64)
    for drawn in itertools.product(range(outcomes), repeat=voices):
        union = torch.tensor([float(key in drawn) for key in range(outcomes - 1)])
        path = sum(log_probs[voice, key] for voice, key in enumerate(drawn))
        probs[(sets == union).all(-1)] += path.exp()
    return probs


@sampling.examples
@given(logits)
def test_a_union_is_as_probable_as_all_ways_to_draw_it(values):
    log_probs = torch.from_numpy(values).log_softmax(-1)
    voices, outcomes = log_probs.shape
    sets = every_set(outcomes - 1)
    found = unions.log_prob(log_probs, sets)
    torch.testing.assert_close(found, enumerated(log_probs).log(), rtol=1e-12, atol=1e-12)
    assert math.isclose(found.exp().sum(), 1, rel_tol=1e-12)
    assert torch.equal(found == -torch.inf, sets.sum(-1) > voices)


@sampling.examples
@given(logits)
def test_marginals_are_the_sums_over_the_sets(values):
    log_probs = torch.from_numpy(values).log_softmax(-1)
    probs = enumerated(log_probs)
    found = unions.marginals(log_probs)
    torch.testing.assert_close(found, probs @ every_set(log_probs.shape[1] - 1))


def test_the_batch_may_have_any_shape():
    torch.manual_seed(0)
    log_probs = torch.randn(2, 5, 3, 7).log_softmax(-1)
    notes = (torch.rand(2, 5, 6) < 0.3).float()
    found = unions.log_prob(log_probs, notes)
    assert found.shape == (2, 5)
    for row, step in itertools.product(range(2), range(5)):
        one = unions.log_prob(log_probs[row, step], notes[row, step])
        torch.testing.assert_close(found[row, step], one)
    many = unions.log_prob(log_probs[:, :, None], notes[:, :, None].expand(-1, -1, 4, -1))
    torch.testing.assert_close(many, found[..., None].expand(-1, -1, 4))


def test_blocks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    log_probs = torch.randn(40, 3, 5).log_softmax(-1)
    notes = (torch.rand(40, 4) < 0.5).float()
    whole = unions.log_prob(log_probs, notes)
    monkeypatch.setattr(unions, "BLOCK", 16)
    assert torch.equal(unions.log_prob(log_probs, notes), whole)


@pytest.mark.parametrize("spread", [1, 10, 30])
def test_float32_is_as_exact_as_its_input(spread):
    torch.manual_seed(0)
    log_probs = (spread * torch.randn(500, 7, 13)).log_softmax(-1)
    notes = torch.zeros(500, 12)
    for row in notes:
        row[torch.randperm(12)[: torch.randint(8, ())]] = 1
    found = unions.log_prob(log_probs, notes)
    assert found.dtype == torch.float32
    assert found.min() < -15 * spread
    torch.testing.assert_close(
        found, unions.log_prob(log_probs.double(), notes).float(), rtol=1e-6, atol=1e-6
    )


def test_gradients_are_right():
    torch.manual_seed(0)
    values = torch.randn(15, 3, 5, dtype=torch.float64, requires_grad=True)
    possible = every_set(4)[every_set(4).sum(-1) <= 3]

    def log_prob(values: torch.Tensor) -> torch.Tensor:
        return unions.log_prob(values.log_softmax(-1), possible)

    assert torch.autograd.gradcheck(log_prob, values, fast_mode=True)


def test_gradients_stay_finite_where_a_set_is_next_to_impossible():
    values = torch.zeros(3, 3, 5)
    values[:, :, -1] = 3000  # the voices pause
    values.requires_grad_()
    found = unions.log_prob(values.log_softmax(-1), torch.tensor([[1.0, 1, 1, 0]] * 3))
    assert (found < -700).all()
    found.sum().backward()
    assert values.grad.isfinite().all()


def test_the_cross_entropy_is_clamped():
    p = torch.tensor([0.0, 1.0, 0.25, 1.0])
    notes = torch.tensor([1.0, 0.0, 1.0, 1.0])
    expected = -2 * math.log(1e-6) - math.log(0.25)
    assert math.isclose(unions.cross_entropy(p, notes), expected, rel_tol=1e-2)


def test_voices_that_are_sure_draw_their_union():
    log_probs = torch.full((3, 5), -50.0)
    log_probs[[0, 1, 2], [2, 4, 0]] = 0
    for temperature in (0, 1):
        drawn = unions.sample(log_probs, torch.tensor([0.1, 0.5, 0.9]), temperature)
        assert drawn.tolist() == [1, 0, 1, 0]


def test_every_set_is_listed_once():
    sets = unions.every_set(5, "a test")
    assert sets.tolist() == [[n >> k & 1 for k in range(5)] for n in range(32)]


def test_too_many_sets_to_list_is_the_users_error():
    with pytest.raises(UserError, match="12 pitch classes, not 88 keys"):
        unions.every_set(88, "a test")
