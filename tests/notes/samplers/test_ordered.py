import itertools

import pytest
import sampling
import torch

from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts.ascending import SPANS, WIDEST
from ostinato.notes.samplers import ordered


def sampler(most: int = 3):
    return sampling.build(ordered, scale=2, hidden=6, max_notes=most)


def wide(keys: int, most: int, lengths: bool = False):
    torch.manual_seed(7)
    params = ordered.Params(hidden=5, max_notes=most)
    model = ordered.Model(sampling.FEATURES, keys, params, lengths).double()
    for weight in model.parameters():
        weight.data *= 3
    return model


@pytest.mark.parametrize("most", [1, 2, 4])
def test_probabilities_are_exact(most):
    sampling.check_exact(sampler(most))


@pytest.mark.parametrize(("keys", "most"), [(4, 2), (7, 7), (12, 4), (12, 12)])
@torch.no_grad()
def test_probabilities_of_all_sets_sum_to_one_after_any_past(keys, most):
    model = wide(keys, most)
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=keys))).double()
    past = (sampling.random(1, 4, keys) < 0.3).double().expand(len(sets), -1, -1)
    some = sampling.song(model, torch.cat([past, sets[:, None]], 1))
    some.features[:] = some.features[:1].clone()
    nats = sampling.log_prob(model, some)[:, -1]
    assert abs(nats.exp().sum() - 1) < 1e-12
    assert torch.equal(nats == -torch.inf, sets.sum(-1) > most)


def slowly(model, features: torch.Tensor, notes: torch.Tensor) -> list[float]:
    """The log-probability of each step of one sequence, interval by interval."""
    keys = notes.shape[1]
    ring = keys == CLASSES
    lengths = model.next.lengths
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
            struck = [s for s in range(step) if notes[s, key] > 0]
            for row, span in enumerate(SPANS):
                if struck:
                    memory[row, key] = torch.tensor((struck[-1] + 1 - step) / span).exp()
        sounded = notes[step - 1].abs() if step else torch.zeros(keys).double()
        memory = [*memory, sounded] if lengths else [*memory]
        shared = network.of_step(torch.cat([features[step], *memory]))
        drawn, last, total = torch.zeros(2 if lengths else 1, keys).double(), None, 0.0
        for outcome in [*notes[step].nonzero()[:, 0].tolist(), keys][: model.num_uniforms]:
            newest = torch.zeros(keys).double()
            around = torch.zeros(len(drawn) + len(memory), len(intervals)).double()
            if last is not None:
                newest[last] = 1
                for row, source in enumerate([*drawn, *memory]):
                    for key in range(keys):
                        if (place := between(last, key)) is not None:
                            around[row, place] = source[key]
            told = network.of_draw(torch.cat([newest, drawn.flatten(), around.flatten()]))
            hidden = torch.nn.functional.silu(shared + told)
            hidden = hidden + torch.nn.functional.silu(network.deeper(hidden))
            logits = network.absolute(hidden)
            sources = [newest, *drawn, *memory]
            kernels = network.relative(hidden).view(-1, len(sources), len(intervals))
            for kind, row in enumerate(kernels):
                for kernel, source in zip(row, sources, strict=True):
                    there = source.nonzero()[:, 0].tolist()
                    for one, other in itertools.product(there, range(keys)):
                        if (place := between(one, other)) is not None:
                            logits[kind * keys + other] += source[one] * kernel[place]
            first = 0 if last is None else last + 1
            possible = [*range(first, keys), len(logits) - 1]
            if lengths:
                possible += [keys + key for key in range(first, keys) if sounded[key]]
            held = int(outcome < keys and notes[step, outcome] < 0)
            chosen = len(logits) - 1 if outcome == keys else held * keys + outcome
            total += (logits[chosen] - logits[possible].logsumexp(0)).item()
            if outcome < keys:
                drawn[held, outcome], last = 1, outcome
        nats.append(total)
    return nats


def check_slowly(model, notes: torch.Tensor) -> None:
    some = sampling.song(model, notes)
    each = zip(some.features, notes, strict=True)
    expected = torch.tensor([slowly(model, *one) for one in each]).double()
    possible = model.in_support(notes)
    assert possible.sum() >= 5
    torch.testing.assert_close(sampling.log_prob(model, some)[possible], expected[possible])


@pytest.mark.parametrize(("keys", "most"), [(5, 5), (12, 2), (30, 4)])
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation(keys, most):
    notes = (sampling.random(2, 5, keys, seed=6) < 2 / keys).double()
    check_slowly(wide(keys, most), notes)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(("lowest", "keys"), [(40, 36), (60, 12)])
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(lowest, keys, lengths):
    notes = sampling.chorale(lowest, keys)
    if lengths:
        again = torch.cat([notes[:1] * 0, notes[:-1]]) * notes > 0
        notes = torch.where(again & (sampling.random(*notes.shape) < 0.7), -notes, notes)
        assert (notes < 0).sum() > 10
    check_slowly(wide(keys, 4, lengths), notes[None])


@torch.no_grad()
def test_every_later_step_remembers_what_was_struck():
    model = sampler(4)
    some = sampling.music(model)
    before = sampling.log_prob(model, some)
    some.notes[:, 2] = 1 - some.notes[:, 2]
    assert (sampling.log_prob(model, some)[:, 3:] != before[:, 3:]).all()


@torch.no_grad()
def test_what_it_reads_of_the_past_is_enough():
    """More of it would change no probability by more than a hundredth of a nat."""
    model = sampler(4)
    some = sampling.music(model)
    more = torch.cat([torch.ones_like(some.known), some.known], 1)
    longer = sampling.log_prob(model, some._replace(known=more))
    torch.testing.assert_close(longer, sampling.log_prob(model, some), atol=0.01, rtol=0)
    less = some._replace(known=torch.cat([0 * some.past, some.notes], 1))
    assert (sampling.log_prob(model, less) - longer).abs().max() > 0.1


def test_the_loss_is_the_log_probability():
    model = sampler()
    step = sampling.first(model, sampling.SETS)
    expected = -sampling.exact(model).masked_fill(sampling.SETS.sum(-1) > 3, 0)
    assert torch.equal(sampling.loss(model, step)[:, 0], expected)
