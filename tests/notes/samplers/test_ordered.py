import itertools

import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts.ascending import SPANS, WIDEST
from ostinato.notes.samplers import ordered


def sampler(most: int = 3, copies: tuple[int, ...] = ()):
    return sampling.build(ordered, hidden=6, most=most, copies=list(copies), gate=4)


def wide(keys: int, most: int, copies: tuple[int, ...] = ()):
    torch.manual_seed(7)
    params = ordered.Params(hidden=5, most=most, copies=list(copies), gate=4)
    model = ordered.Sampler(sampling.FEATURES, keys, params).double()
    for weight in model.parameters():
        weight.data *= 3
    return model


COPIES = [(), (1,), (1, 2, 5)]


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("most", [1, 2, 3, 4, 6])
def test_probabilities_are_exact(most, copies):
    sampling.check_exact(sampler(most, copies))


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize(("keys", "most"), [(4, 2), (7, 7), (12, 4), (12, 12)])
@torch.no_grad()
def test_probabilities_of_all_sets_sum_to_one_after_any_past(keys, most, copies):
    model = wide(keys, most, copies)
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()
    features = sampling.random(1, 5, sampling.FEATURES).expand(len(sets), -1, -1)
    past = (sampling.random(1, 4, keys) < 0.3).double().expand(len(sets), -1, -1)
    begin = sampling.begin(model, features, model.keys)
    _, state = model.log_prob(features[:, :4], past, begin, None)
    log_prob, _ = model.log_prob(features[:, 4:], sets[:, None], state, None)
    assert abs(log_prob.exp().sum() - 1) < 1e-12
    assert torch.equal(log_prob[:, 0] == -torch.inf, sets.sum(-1) > most)


def slowly(model, features: torch.Tensor, notes: torch.Tensor) -> list[float]:
    """The log-probability of each step of one sequence, interval by interval."""
    keys = notes.shape[1]
    ring = keys == CLASSES
    reach = min(WIDEST, keys - 1)
    intervals = list(range(keys)) if ring else list(range(-reach, reach + 1))
    network = model.next

    def between(one: int, other: int) -> int | None:
        """Which interval leads from one key to another."""
        distance = (other - one) % keys if ring else other - one
        return intervals.index(distance) if distance in intervals else None

    nats = []
    for step in range(len(notes)):
        memory = torch.zeros(len(SPANS), keys).double()
        for key in range(keys):
            struck = [s for s in range(step) if notes[s, key]]
            for row, span in enumerate(SPANS):
                if struck:
                    memory[row, key] = torch.tensor((struck[-1] + 1 - step) / span).exp()
        shared = network.of_step(torch.cat([features[step], *memory]))
        drawn, last, total = torch.zeros(keys).double(), None, 0.0
        for outcome in [*notes[step].nonzero()[:, 0].tolist(), keys][: model.draws]:
            newest = torch.zeros(keys).double()
            around = torch.zeros(1 + len(SPANS), len(intervals)).double()
            if last is not None:
                newest[last] = 1
                for row, source in enumerate([drawn, *memory]):
                    for key in range(keys):
                        if (place := between(last, key)) is not None:
                            around[row, place] = source[key]
            told = network.of_draw(torch.cat([newest, drawn, around.flatten()]))
            hidden = torch.nn.functional.silu(shared + told)
            hidden = hidden + torch.nn.functional.silu(network.deeper(hidden))
            logits = network.absolute(hidden)
            kernels = network.relative(hidden).view(2 + len(SPANS), len(intervals))
            for kernel, source in zip(kernels, [newest, drawn, *memory], strict=True):
                for one, other in itertools.product(source.nonzero()[:, 0].tolist(), range(keys)):
                    if (place := between(one, other)) is not None:
                        logits[other] += source[one] * kernel[place]
            first = 0 if last is None else last + 1
            total += (logits[outcome] - logits[first:].logsumexp(0)).item()
            if outcome < keys:
                drawn[outcome], last = 1, outcome
        nats.append(total)
    return nats


@pytest.mark.parametrize(("keys", "most"), [(5, 5), (12, 2), (30, 4)])
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation(keys, most):
    model = wide(keys, most)
    features = sampling.random(2, 5, sampling.FEATURES)
    notes = (sampling.random(2, 5, keys, seed=6) < 2 / keys).double()
    found, _ = model.log_prob(features, notes, sampling.begin(model, features, model.keys), None)
    expected = torch.tensor([slowly(model, f, n) for f, n in zip(features, notes, strict=True)])
    possible = model.possible(notes) > 0
    assert possible.sum() >= 5
    torch.testing.assert_close(found[possible], expected[possible].double())


@pytest.mark.parametrize(("lowest", "keys"), [(40, 36), (60, 12)])
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(lowest, keys):
    model, notes = wide(keys, most=4), sampling.chorale(lowest, keys)
    features = sampling.random(1, len(notes), sampling.FEATURES)
    begin = sampling.begin(model, features, keys)
    found, _ = model.log_prob(features, notes[None], begin, None)
    expected = torch.tensor(slowly(model, features[0], notes)).double()
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("copies", COPIES)
def test_a_whole_sequence_is_the_same_as_its_steps(copies):
    sampling.check_steps(sampler(copies=copies))


@pytest.mark.parametrize("copies", COPIES)
def test_gradients_reach_every_weight(copies):
    sampling.check_gradients(sampler(copies=copies))


@pytest.mark.parametrize("copies", COPIES)
def test_impossible_steps_leave_the_gradient_finite(copies):
    sampling.check_log_prob_gradients(sampler(2, copies))


@pytest.mark.parametrize("copies", COPIES)
def test_temperature_zero_takes_the_most_probable(copies):
    sampling.check_cold(sampler(copies=copies))


@pytest.mark.parametrize("copies", COPIES)
def test_probabilities_are_those_of_float32_under_autocast(copies):
    sampling.check_autocast(sampler(copies=copies))


@pytest.mark.parametrize("copies", COPIES)
@sampling.examples
@given(changed=st.integers(1, sampling.STEPS - 1))
def test_a_step_knows_the_steps_before_it_alone(changed, copies):
    model = sampler(4, copies)
    features, notes, _ = sampling.sequence(model.draws)
    before, _ = model.log_prob(features, notes, sampling.begin(model, features, model.keys), None)
    notes[:, changed] = 1 - notes[:, changed]
    after, _ = model.log_prob(features, notes, sampling.begin(model, features, model.keys), None)
    assert torch.equal(after[:, :changed], before[:, :changed])
    assert (after[:, changed + 1 :] != before[:, changed + 1 :]).all()


@sampling.examples
@given(st.integers(0, 15))
def test_the_loss_is_the_log_probability(number):
    model, features = sampler(), sampling.random(1, 1, sampling.FEATURES)
    notes, state = sampling.SETS[None, None, number], sampling.begin(model, features, model.keys)
    loss, _ = model.loss(features, notes, state, None)
    log_prob, _ = model.log_prob(features, notes, state, None)
    assert loss == (-log_prob if notes.sum() <= 3 else 0)
