import itertools
import math

import pytest
import sampling
import torch
from sampling import FEATURES, KEYS, SETS

from ostinato.core.categorical import draw
from ostinato.notes.samplers import banning

VOICES = 3


def sampler(voices: int = VOICES, objective: str = "marginals", shared: bool = True):
    return sampling.build(banning, voices=voices, hidden=6, shared=shared, objective=objective)


def exact(model) -> torch.Tensor:
    """Probability of each of the note sets at the first step, over all orders of decisions."""
    features, past, _ = sampling.first_step(model, 1, 0)
    probs = torch.zeros(len(SETS), dtype=torch.float64)
    for outcomes in itertools.product(range(2 * KEYS), repeat=model.num_uniforms):
        path = 1.0

        def choose(voice, log_probs, sounding, banned, outcomes=outcomes):
            nonlocal path
            path *= log_probs[0, 0, outcomes[voice]].exp().item()
            return torch.tensor([[outcomes[voice]]])

        if len({outcome % KEYS for outcome in outcomes}) == model.num_uniforms:
            notes, _ = model._decide(features, model.initial(past), choose)
            probs[(notes[0] == SETS).all(-1)] += path
    return probs


def test_the_enumeration_covers_everything():
    probs = exact(sampler())
    assert math.isclose(probs.sum().item(), 1, abs_tol=1e-12)
    assert probs[SETS.sum(-1) > VOICES].sum() == 0


@torch.no_grad()
@pytest.mark.parametrize("voices", [1, 2, 3])
def test_the_bound_lies_below_the_exact_probability(voices):
    model, repeats = sampler(voices), 4000
    for notes, log_p in zip(SETS, exact(model).log(), strict=True):
        bound = sampling.log_prob(model, sampling.first(model, notes.expand(repeats, -1)))
        if log_p == -math.inf:
            assert (bound == -math.inf).all()
        else:
            error = bound.std() / math.sqrt(repeats)
            assert bound.mean() <= log_p + 4 * error + 1e-9
            # As an importance weight it is unbiased: the mean of p itself is exact.
            error = bound.exp().std() / math.sqrt(repeats)
            assert abs(bound.exp().mean() - log_p.exp()) <= 5 * error + 1e-9


@torch.no_grad()
@pytest.mark.parametrize("shared", [True, False])
def test_sampled_frequencies_are_the_exact_probabilities(shared):
    model = sampler(shared=shared)
    sampling.check_frequencies(model, exact(model))


def test_training_shows_the_voices_only_what_is_true():
    model, seen = sampler(), []
    some = sampling.music(model)
    model.voices[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    sampling.loss(model, some)
    assert len(seen) == VOICES
    for voice, heard in enumerate(seen):
        sounding, banned = heard[..., FEATURES:].split(KEYS, -1)
        assert ((sounding + banned).sum(-1) == voice).all()
        assert (sounding <= some.notes).all()
        assert (banned <= 1 - some.notes).all()


def test_the_bound_as_loss_leaves_out_steps_with_too_many_notes():
    model = sampler(objective="bound")
    some = sampling.music(model)
    some.notes[0, 5] = 1
    loss, bound = sampling.loss(model, some), sampling.log_prob(model, some)
    assert bound[0, 5] == -math.inf
    assert loss[0, 5] == 0
    assert torch.equal(loss[1], -bound[1])
    loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draw_never_takes_an_impossible_outcome(dtype):
    probs = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0], dtype=dtype).expand(5, 5)
    ends = torch.tensor([0.0, 0.2999, 0.3001, 0.9, 1.0], dtype=dtype)
    ends[-1] = torch.nextafter(ends[-1], torch.zeros((), dtype=dtype))
    assert draw(probs, ends).tolist() == [1, 1, 3, 3, 3]
    assert draw(3 * probs, ends).tolist() == [1, 1, 3, 3, 3]
