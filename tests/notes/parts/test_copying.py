import pytest
import sampling
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.notes.parts.copying import FASTER, Copying

LAGS = [1, 3, 4]


def slow_runs(notes: torch.Tensor, lag: int) -> list[int]:
    """Steps with a note that have repeated at a lag before each step; silence before the first."""
    runs, run = [], 0
    silence = torch.zeros_like(notes[0])
    for step, now in enumerate(notes):
        runs.append(run)
        before = notes[step - lag] if step >= lag else silence
        if not torch.equal(now, before):
            run = 0
        elif now.any():
            run += 1
    return [*runs[1:], run]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 30))
def test_runs_are_counted_also_from_part_to_part(numbers, cut):
    notes = torch.tensor([[number & 1, number >> 1] for number in numbers]).float()
    model = Copying(2, LAGS, 2, 4)
    state = model.initial(torch.zeros(1, 1, 2))
    for part in filter(len, (notes[:cut], notes[cut:])):
        state = model.follow(part[None], state)
    assert state.run[0].tolist() == [slow_runs(notes, lag)[-1] for lag in LAGS]
    assert torch.equal(model.initial(notes[None]).run, state.run)
    longest = max(LAGS)
    assert state.heard.item() == int(notes[:-longest].any(-1).sum())


def slowly(model, features, notes, drawn) -> list[float]:
    """The log-probability of each step of one sequence, lag by lag."""
    runs = [[0, *slow_runs(notes, lag)] for lag in model.lags]
    nats = []
    for step, now in enumerate(notes):
        scores, equal = [], []
        for place, lag in enumerate(model.lags):
            run = torch.tensor(float(runs[place][step])).double()
            before = notes[step - lag] if step >= lag else torch.zeros_like(now)
            heard = sum(bool(frame.any()) for frame in notes[: max(step - lag, 0)])
            hidden = model.context(features[step]) + model.lag[place]
            hidden = hidden + model.repeating(run.log1p()[None])
            score = model.score(torch.nn.functional.silu(hidden)).item()
            situation = (run > 0) + 2 * before.any() + 4 * (run >= heard)
            score += FASTER * model.situation[place, int(situation)].item()
            scores.append(score if before.sum() <= model.most else -torch.inf)
            equal.append(torch.equal(before, now))
        probs = torch.tensor([*scores, 0.0]).double().softmax(0)
        copied = probs[:-1][torch.tensor(equal)].sum()
        nats.append((copied + probs[-1] * drawn[step].exp()).log().item())
    return nats


@pytest.mark.parametrize("most", [2, 12])
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(most):
    frames = sampling.chorale(60, 12)
    notes = torch.cat([torch.zeros(2, 12), frames[:6], frames[:9], frames[:6]])
    torch.manual_seed(5)
    model = Copying(2, [3, 6, 9], most, 4).double()
    for weight in model.parameters():
        weight.data += torch.randn_like(weight) / 4
    features, drawn = sampling.random(len(notes), 2), -4 * sampling.random(len(notes))
    begin = model.initial(notes.new_zeros(1, 1, 12))
    found, _ = model.log_prob(features[None], notes[None], drawn[None], begin)
    expected = torch.tensor(slowly(model, features, notes, drawn)).double()
    torch.testing.assert_close(found[0], expected)


def test_what_has_begun_to_repeat_is_likelier_to_go_on_once_that_is_learnt():
    """Blocks of noise, each played twice: after a block's first steps the rest is known."""
    torch.manual_seed(0)
    model = Copying(1, [8], 12, 8)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    drawn = torch.full((32, 16), -6.0)  # what drawing anew would cost
    for _ in range(150):
        block = (torch.rand(32, 8, 12) < 0.5).float()
        notes = torch.cat([block, block], 1)
        begin = model.initial(torch.zeros(32, 1, 12))
        log_prob, _ = model.log_prob(torch.zeros(32, 16, 1), notes, drawn, begin)
        optimizer.zero_grad()
        (-log_prob.mean()).backward()
        optimizer.step()
    log_prob = log_prob.detach().mean(0)
    assert log_prob[:8].mean() < -5
    assert log_prob[10:].mean() > -0.5
