import pytest
import sampling
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ostinato.notes.parts import repeating
from ostinato.notes.parts.repeating import FASTER, Repeating
from ostinato.notes.parts.sampler import Sampler
from ostinato.notes.samplers import banning, independent, ordered, voices

LAGS = [1, 3, 4]


class Fixed(Sampler):
    """Says the same about all notes and draws silence."""

    def __init__(self, nats: float):
        super().__init__(num_uniforms=0)
        self.nats = nats

    def log_prob(self, features, known, state, uniforms):
        return torch.full_like(features[..., 0], self.nats), state

    def sample(self, features, past, state, uniforms, temperature):
        return torch.zeros_like(past[:, -1:]), state


def gated(sampler: Sampler, lags: list[int], features: int = sampling.FEATURES) -> Repeating:
    torch.manual_seed(5)
    model = Repeating(sampler, features, repeating.Params(lags=lags, hidden=4))
    for weight in model.parameters():
        weight.data += torch.randn_like(weight) / 4
    return model.double()


def slow_runs(notes: Tensor, lag: int) -> list[int]:
    """Steps with a note that have repeated at a lag after each step; silence before the first."""
    runs, run = [], 0
    silence = torch.zeros_like(notes[0])
    for step, now in enumerate(notes):
        before = notes[step - lag] if step >= lag else silence
        if not torch.equal(now, before):
            run = 0
        elif now.any():
            run += 1
        runs.append(run)
    return runs


@sampling.examples
@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.integers(1, 29))
def test_runs_are_counted_also_from_part_to_part(numbers, cut):
    notes = torch.tensor([[number & 1, number >> 1] for number in numbers]).double()
    model, cut = gated(Fixed(-6.0), LAGS), min(cut, len(numbers) - 1)
    some = sampling.song(model, notes[None])
    state = model.initial(some.past)
    for part in (some.part(0, cut), some.part(cut, len(notes))):
        _, state = model.log_prob(part.features, part.known, state, part.uniforms)
    # The state covers the steps before the last.
    assert state.run[0].tolist() == [slow_runs(notes, lag)[-2] for lag in LAGS]
    assert torch.equal(model.initial(some.known).run, state.run)
    before = len(notes) - model.context_length
    assert state.earlier.item() == int(notes[: max(before, 0)].any(-1).sum())


def slowly(model: Repeating, features: Tensor, notes: Tensor, drawn: Tensor) -> list[float]:
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
            scores.append(score if model.sampler.in_support(before) else -torch.inf)
            equal.append(torch.equal(before, now))
        probs = torch.tensor([*scores, 0.0]).double().softmax(0)
        copied = probs[:-1][torch.tensor(equal)].sum()
        nats.append((copied + probs[-1] * drawn[step].exp()).log().item())
    return nats


def of_real_frames(model: Repeating) -> sampling.Music:
    """A chorale of 12 pitch classes that repeats its first chords."""
    frames = sampling.chorale(60, 12)
    notes = torch.cat([torch.zeros(2, 12), frames[:6], frames[:9], frames[:6]])
    return sampling.song(model, notes[None])


SAMPLERS = {
    "fixed": lambda: Fixed(-2.5),
    "independent": lambda: independent.Model(sampling.FEATURES, 12, independent.Params()),
    "ordered": lambda: ordered.Model(sampling.FEATURES, 12, ordered.Params(hidden=4, max_notes=3)),
    "voices": lambda: voices.Model(
        sampling.FEATURES, 12, voices.Params(voices=3, objective="marginals")
    ),
    "banning": lambda: banning.Model(
        sampling.FEATURES,
        12,
        banning.Params(voices=4, hidden=4, shared=True, objective="marginals"),
    ),
}
every = pytest.mark.parametrize("name", SAMPLERS)


@every
@torch.no_grad()
def test_it_agrees_with_a_slow_implementation_on_real_frames(name):
    model = gated(SAMPLERS[name](), [3, 6, 9])
    some = of_real_frames(model)
    own = some._replace(uniforms=some.uniforms[..., :-1])
    drawn = sampling.log_prob(model.sampler, own)[0]
    expected = torch.tensor(slowly(model, some.features[0], some.notes[0], drawn)).double()
    torch.testing.assert_close(sampling.log_prob(model, some)[0], expected)
    assert (expected > drawn + 1).any()  # something was copied


@every
@torch.no_grad()
def test_what_the_sampler_minimises_takes_the_place_of_its_nats(name):
    model = gated(SAMPLERS[name](), [3, 6, 9])
    some = of_real_frames(model)
    own = some._replace(uniforms=some.uniforms[..., :-1])
    drawn = -sampling.loss(model.sampler, own)[0]
    expected = torch.tensor(slowly(model, some.features[0], some.notes[0], drawn)).double()
    torch.testing.assert_close(sampling.loss(model, some)[0], -expected)


@torch.no_grad()
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_copied_is_what_was_played_at_the_lag(place):
    model = gated(Fixed(-6.0), LAGS)
    model.situation[place] += 100
    some = sampling.music(model)
    for temperature in (0, 1.0):
        part = some.part(0, 1)
        state = model.initial(part.past)
        notes, _ = model.sample(part.features, part.past, state, part.uniforms, temperature)
        assert torch.equal(notes[:, 0], part.past[:, -LAGS[place]])


@torch.no_grad()
def test_what_the_sampler_cannot_draw_is_not_copied():
    model = gated(SAMPLERS["ordered"](), [1])
    model.situation += 100
    past = torch.zeros(2, model.context_length, 12).double()
    past[0, -1, :3] = past[1, -1, :4] = 1
    told, uniforms = torch.zeros(2, 1, sampling.FEATURES).double(), sampling.random(2, 1, 4)
    notes, _ = model.sample(told, past, model.initial(past), uniforms, 1.0)
    assert torch.equal(notes[0], past[0, -1:])
    assert notes[1].sum() <= 3
    assert not model.in_support(past[1, -1])


def test_what_has_begun_to_repeat_is_likelier_to_go_on_once_that_is_learnt():
    """Blocks of noise, each played twice: after a block's first steps the rest is known."""
    torch.manual_seed(0)
    model = Repeating(Fixed(-6.0), 1, repeating.Params(lags=[8], hidden=8))
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    features, uniforms = torch.zeros(32, 16, 1), torch.zeros(32, 16, 1)
    silence = torch.zeros(32, model.context_length, 12)
    for _ in range(150):
        block = (torch.rand(32, 8, 12) < 0.5).float()
        known = torch.cat([silence, block, block], 1)
        nats, _ = model.log_prob(features, known, model.initial(silence), uniforms)
        optimizer.zero_grad()
        (-nats.mean()).backward()
        optimizer.step()
    nats = nats.detach().mean(0)
    assert nats[:8].mean() < -5
    assert nats[10:].mean() > -0.5


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 2])
def test_a_key_that_did_not_sound_is_not_held_by_a_copy(steps):
    """The step before is silent, so that what was struck at the lag has to be struck again."""
    model = gated(Fixed(-torch.inf), [2])
    known = torch.zeros(2, model.context_length + steps, 3).double()
    known[:, -3, 1] = 1
    known[:, -1, 1] = torch.tensor([1.0, -1.0])
    told, chance = torch.zeros(2, steps, sampling.FEATURES).double(), torch.zeros(2, steps, 1)
    begin = model.initial(known[:, :-steps])
    nats, _ = model.log_prob(told, known, begin, chance)
    assert (nats[:, -1] > -torch.inf).tolist() == [True, False]
