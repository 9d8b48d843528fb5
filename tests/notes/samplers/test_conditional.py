import itertools
import math

import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sampling import BATCH, FEATURES, KEYS, SETS, STEPS

from ostinato.core.errors import UserError
from ostinato.notes.parts import unions
from ostinato.notes.samplers import conditional

OBJECTIVES = ["marginals", "union", "negatives"]


def sampler(
    voices: int = 3,
    hidden: int = 6,
    stop: bool = False,
    pause: bool = False,
    double: bool = False,
    objective: str = "marginals",
):
    return sampling.build(
        conditional,
        voices=voices,
        hidden=hidden,
        stop_gradient=stop,
        pause_loss=pause,
        double_loss=double,
        objective=objective,
    )


def exact(model) -> torch.Tensor:
    """Probability of each set at one first step, over all that the voices can draw."""
    paths = list(itertools.product(range(KEYS + 1), repeat=len(model.outcomes)))
    features, past, _ = sampling.first_step(model, len(paths), 0)
    outcomes, total = torch.tensor(paths), 0

    def choose(voice, log_probs, drawn):
        nonlocal total
        total = total + log_probs[:, 0].gather(-1, outcomes[:, voice, None])[:, 0]
        return outcomes[:, voice, None]

    notes, _ = model._decide(features, model.initial(past), choose)
    same = (notes == SETS).all(-1)  # [paths, sets]
    return total.exp() @ same.double()


@torch.no_grad()
@pytest.mark.parametrize("voices", [1, 2, 3])
@pytest.mark.parametrize("hidden", [0, 6])
def test_the_bound_lies_below_the_exact_probability(voices, hidden):
    model = sampler(voices, hidden)
    truth = exact(model).log()
    assert math.isclose(truth.exp().sum(), 1, rel_tol=1e-12)
    repeats = 1000
    for notes, log_p in zip(SETS, truth, strict=True):
        bound = sampling.log_prob(model, sampling.first(model, notes.expand(repeats, -1)))
        assert model.in_support(notes) == (log_p > -math.inf)
        if log_p == -math.inf:
            assert (bound == -math.inf).all()
        else:
            assert bound.mean() <= log_p + 4 * bound.std() / math.sqrt(repeats) + 1e-9
            # As an importance weight it is unbiased: the mean of p itself is exact.
            error = bound.exp().std() / math.sqrt(repeats)
            assert abs(bound.exp().mean() - log_p.exp()) <= 4 * error + 1e-9


@torch.no_grad()
@pytest.mark.parametrize("hidden", [0, 6])
def test_sampled_frequencies_are_the_exact_probabilities(hidden):
    model = sampler(hidden=hidden)
    sampling.check_frequencies(model, exact(model))


rolls = arrays("f8", (BATCH, STEPS, KEYS), elements=st.sampled_from([0.0, 1.0]))


def seen(model, function, notes):
    """What each voice sees of the draws before it."""
    some, found = sampling.music(model), []
    some.notes[:] = notes
    for lstm in model.lstms:
        lstm.register_forward_pre_hook(lambda _, args: found.append(args[0][..., FEATURES:]))
    function(model, some)
    return found


@pytest.mark.parametrize("function", [sampling.loss, sampling.log_prob])
@sampling.examples
@given(rolls)
def test_voices_see_only_what_is_true(function, notes):
    notes = torch.from_numpy(notes)
    unions = seen(sampler(), function, notes)
    assert not unions[0].any()
    for before, after in itertools.pairwise(unions):
        assert (before <= after).all()
        assert (after <= notes).all()
        assert ((after - before).sum(-1) <= 1).all()


@sampling.examples
@given(rolls)
def test_the_bound_leaves_every_note_decidable(notes):
    notes = torch.from_numpy(notes)
    for voice, union in enumerate(seen(sampler(3), sampling.log_prob, notes)):
        missing = (notes - union).sum(-1)
        assert (missing[notes.sum(-1) <= 3] <= 3 - voice).all()


def test_in_training_a_voice_may_pause_or_repeat_a_note_whatever_is_missing():
    notes = torch.ones(BATCH, STEPS, KEYS, dtype=torch.float64)
    last = seen(sampler(4), sampling.loss, notes)[-1]
    assert (last.sum(-1) < 3).any()


def answers(model, some):
    """What the voices say in training: log-probabilities [B, T, V, K + 1]."""
    found = []
    hooks = [
        outcomes.register_forward_hook(lambda _, args, answer: found.append(answer))
        for outcomes in model.outcomes
    ]
    sampling.loss(model, some)
    for hook in hooks:
        hook.remove()
    return torch.cat(found, -2)


def test_stopping_the_gradient_changes_the_gradient_alone():
    free, stopped = sampler(), sampler(stop=True)
    losses = []
    for model in (free, stopped):
        loss = sampling.loss(model, sampling.music(model))
        loss.sum().backward()
        losses.append(loss)
    assert torch.equal(*losses)
    # Of the first voice nothing weakens the gradient any more; the last has its own in both.
    gradients = [model.outcomes[0].linear.weight.grad for model in (free, stopped)]
    assert not torch.allclose(*gradients)
    last = [model.outcomes[-1].linear.weight.grad for model in (free, stopped)]
    torch.testing.assert_close(*last)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_pause_loss_and_double_loss_are_added(objective):
    plain = sampler(objective=objective)
    some = sampling.music(plain)
    log_probs, without = answers(plain, some), sampling.loss(plain, some)
    loss = sampling.loss(sampler(pause=True, objective=objective), some)
    silence = log_probs[..., -1].exp().prod(-1)
    silent = some.notes.sum(-1) == 0
    assert silent.any()
    added = -torch.where(silent, silence, 1 - silence).log()
    torch.testing.assert_close(loss - without, added)

    model = sampler(double=True, objective=objective)
    second = unions.cross_entropy(unions.marginals(model.independent(some.features)), some.notes)
    torch.testing.assert_close(sampling.loss(model, some) - without, second)


def test_the_union_treats_the_draws_as_independent():
    model = sampler(objective="union")
    some = sampling.music(model)
    some.notes[0, 5] = 1
    loss, union = sampling.loss(model, some), unions.log_prob(answers(model, some), some.notes)
    assert loss[0, 5] == 0
    torch.testing.assert_close(loss, -union.masked_fill(union.isinf(), 0))


def test_negatives_push_down_random_wrong_sets():
    model = sampler(voices=2, objective="negatives")
    some = sampling.music(model)
    notes, uniforms = some.notes, some.uniforms
    drawable = SETS.flip(-1)[SETS.sum(-1) <= 2]
    log_probs, loss = answers(model, some), sampling.loss(model, some)
    for row, step in itertools.product(range(BATCH), range(STEPS)):
        if notes[row, step].sum() > 2:
            assert loss[row, step] == 0
            continue
        total = -unions.log_prob(log_probs[row, step], notes[row, step])
        for number in (uniforms[row, step, 2:] * len(drawable)).long():
            one = drawable[number]
            if not torch.equal(one, notes[row, step]):
                total -= torch.log1p(-unions.log_prob(log_probs[row, step], one).exp())
        torch.testing.assert_close(loss[row, step], total / 81)


def test_negatives_on_88_keys_are_the_users_error():
    params = sampler(objective="negatives").params
    with pytest.raises(UserError, match="pitch classes"):
        conditional.Model(FEATURES, 88, params)
