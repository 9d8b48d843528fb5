import itertools
import math

import pytest
import torch

from ostinato.core.categorical import draw
from ostinato.notes.samplers.banning import Params, Sampler

KEYS, VOICES, BATCH, STEPS, FEATURES = 4, 3, 2, 12, 5
SETS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=KEYS))).double()


def sampler(voices: int = VOICES, objective: str = "marginals", shared: bool = True) -> Sampler:
    torch.manual_seed(2)
    model = Sampler(
        FEATURES, KEYS, Params(voices=voices, hidden=6, shared=shared, objective=objective)
    ).double()
    for weight in model.parameters():
        weight.data *= 4  # far from uniform
    return model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def sequence():
    features = random(BATCH, STEPS, FEATURES) - 0.5
    notes = (random(BATCH, STEPS, KEYS, seed=1) < 0.3).double()
    return features, notes, random(BATCH, STEPS, VOICES, seed=2)


def exact(model: Sampler, features: torch.Tensor) -> torch.Tensor:
    """Probability of each of the note sets at one first step, over all orders of decisions."""
    probs = torch.zeros(len(SETS), dtype=torch.float64)
    for outcomes in itertools.product(range(2 * KEYS), repeat=model.draws):
        path = 1.0

        def choose(voice, log_probs, sounding, banned, outcomes=outcomes):
            nonlocal path
            path *= log_probs[0, 0, outcomes[voice]].exp().item()
            return torch.tensor([[outcomes[voice]]])

        if len({outcome % KEYS for outcome in outcomes}) == model.draws:
            notes, _ = model._decide(features, model.initial(features), choose)
            probs[(notes[0] == SETS).all(-1)] += path
    return probs


def test_the_enumeration_covers_everything():
    probs = exact(sampler(), random(1, 1, FEATURES))
    assert math.isclose(probs.sum().item(), 1, abs_tol=1e-12)
    assert probs[SETS.sum(-1) > VOICES].sum() == 0


@torch.no_grad()
@pytest.mark.parametrize("voices", [1, 2, 3])
def test_the_bound_lies_below_the_exact_probability(voices):
    model, features = sampler(voices), random(1, 1, FEATURES)
    truth = exact(model, features).log().detach()
    repeats = 4000
    many = features.expand(repeats, 1, FEATURES)
    for notes, log_p in zip(SETS, truth, strict=True):
        uniforms = random(repeats, 1, voices, seed=3)
        bound, _ = model.log_prob(
            many, notes.expand(repeats, 1, KEYS), model.initial(many), uniforms
        )
        if log_p == -math.inf:
            assert (bound == -math.inf).all()
        else:
            error = bound.std() / math.sqrt(repeats)
            assert bound.mean() <= log_p + 4 * error + 1e-9
            # As an importance weight it is unbiased: the mean of p itself is exact.
            error = bound.exp().std() / math.sqrt(repeats)
            assert abs(bound.exp().mean() - log_p.exp()) <= 5 * error + 1e-9


def test_sampled_frequencies_are_the_exact_probabilities():
    model, features = sampler(), random(1, 1, FEATURES)
    count = 20_000
    many = features.expand(count, 1, FEATURES)
    notes, _ = model.sample(many, model.initial(many), random(count, 1, VOICES, seed=4), 1.0)
    found = torch.stack([(notes[:, 0] == one).all(-1).double().mean() for one in SETS])
    assert (found - exact(model, features)).abs().max() < 0.015


@pytest.mark.parametrize("method", ["loss", "log_prob"])
def test_a_whole_sequence_is_the_same_as_its_steps(method):
    model, (features, notes, uniforms) = sampler(), sequence()
    function = getattr(model, method)
    whole, _ = function(features, notes, model.initial(features), uniforms)
    state, steps = model.initial(features), []
    for step in range(STEPS):
        now = slice(step, step + 1)
        value, state = function(features[:, now], notes[:, now], state, uniforms[:, now])
        steps.append(value)
    assert whole.shape == (BATCH, STEPS)
    torch.testing.assert_close(torch.cat(steps, 1), whole)


def test_a_whole_sequence_is_sampled_as_its_steps():
    model, (features, _, uniforms) = sampler(), sequence()
    whole, _ = model.sample(features, model.initial(features), uniforms, 0.8)
    state, steps = model.initial(features), []
    for step in range(STEPS):
        now = slice(step, step + 1)
        notes, state = model.sample(features[:, now], state, uniforms[:, now], 0.8)
        steps.append(notes)
    assert torch.equal(torch.cat(steps, 1), whole)


def test_training_shows_the_voices_only_what_is_true():
    model, (features, notes, uniforms) = sampler(), sequence()
    seen = []
    model.voices[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.loss(features, notes, model.initial(features), uniforms)
    for voice, heard in enumerate(seen):
        sounding, banned = heard[..., FEATURES:].split(KEYS, -1)
        assert ((sounding + banned).sum(-1) == voice).all()
        assert (sounding <= notes).all()
        assert (banned <= 1 - notes).all()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("objective", ["marginals", "a_posteriori", "bound"])
def test_gradients_reach_every_weight(objective, shared):
    model, (features, notes, uniforms) = sampler(objective=objective, shared=shared), sequence()
    features.requires_grad_()
    loss, _ = model.loss(features, notes, model.initial(features), uniforms)
    loss.sum().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())
    assert features.grad.abs().min() > 0


def test_the_bound_as_loss_leaves_out_steps_with_too_many_notes():
    model, (features, notes, uniforms) = sampler(objective="bound"), sequence()
    notes[0, 5] = 1
    loss, _ = model.loss(features, notes, model.initial(features), uniforms)
    bound, _ = model.log_prob(features, notes, model.initial(features), uniforms)
    assert bound[0, 5] == -math.inf
    assert loss[0, 5] == 0
    assert torch.equal(loss[1], -bound[1])
    loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_temperature_zero_takes_the_most_probable_whatever_the_draw():
    model, (features, _, uniforms) = sampler(), sequence()
    one, _ = model.sample(features, model.initial(features), uniforms, 0)
    other, _ = model.sample(features, model.initial(features), 1 - uniforms, 0)
    cold, _ = model.sample(features, model.initial(features), uniforms, 1e-4)
    assert torch.equal(one, other)
    assert torch.equal(one, cold)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draw_never_takes_an_impossible_outcome(dtype):
    probs = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0], dtype=dtype).expand(5, 5)
    ends = torch.tensor([0.0, 0.2999, 0.3001, 0.9, 1.0], dtype=dtype)
    ends[-1] = torch.nextafter(ends[-1], torch.zeros((), dtype=dtype))
    assert draw(probs, ends).tolist() == [1, 1, 3, 3, 3]
    assert draw(3 * probs, ends).tolist() == [1, 1, 3, 3, 3]
