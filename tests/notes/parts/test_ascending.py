import pytest
import sampling
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.notes.parts import ascending
from ostinato.notes.parts.ascending import Ascending, Rule, Ruling

examples = settings(max_examples=25)


def roll_of(keys: int, steps: int):
    one = st.lists(st.sampled_from([0.0, 1.0]), min_size=keys, max_size=keys)
    return st.lists(one, min_size=steps, max_size=steps).map(torch.tensor)


@examples
@given(roll_of(5, 6), st.integers(1, 5))
def test_notes_are_taken_apart_in_ascending_order(notes, most):
    draws = ascending.draws_of(notes, most)
    expected = []
    for step, row in enumerate(notes):
        keys = row.nonzero()[:, 0].tolist()
        for place, outcome in list(enumerate([*keys, 5]))[:most]:
            drawn = [float(key in keys[:place]) for key in range(5)]
            expected.append((step, place, keys[place - 1] + 1 if place else 0, drawn, outcome))
    assert list(zip(*(each.tolist() for each in draws), strict=True)) == expected
    found = ascending.total(torch.ones(len(draws.step)), draws, len(notes), most)
    assert torch.equal(found, (notes.sum(-1) + 1).clamp(max=most))


@examples
@given(roll_of(3, 8), st.integers(0, 8))
def test_ages_count_the_steps_since_a_key_was_struck(notes, first):
    never = ascending.never(notes[None], 3)
    whole = ascending.ages(notes[None], never)
    for step in range(8):
        for key in range(3):
            struck = notes[: step + 1, key].nonzero()[:, 0].tolist()
            assert whole[0, step, key] == (step + 1 - struck[-1] if struck else torch.inf)
    one = ascending.ages(notes[None, :first], never)
    other = ascending.ages(notes[None, first:], torch.cat([never, one], 1)[:, -1:])
    assert torch.equal(torch.cat([one, other], 1), whole)


def test_traces_begin_at_one_and_fade():
    for row, span in zip(
        ascending.traces(torch.tensor([1.0, 5.0, torch.inf])), ascending.SPANS, strict=True
    ):
        expected = torch.tensor([0.0, -4 / span, -torch.inf]).exp()
        torch.testing.assert_close(row, expected)


def relative(keys: int) -> Ascending:
    """A network that knows nothing but intervals."""
    torch.manual_seed(5)
    model = Ascending(1, keys, 6, max_notes=keys).double()
    for weight in model.parameters():
        weight.data *= 3
    model.of_step.weight.data[:, 1:] = 0
    model.of_draw.weight.data[:, : 2 * keys] = 0
    model.absolute.weight.data[:] = 0
    model.absolute.bias.data[:] = 0
    return model


def logits(model: Ascending, drawn: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """What it says about all keys, whether they can come next or not."""
    last = drawn.nonzero()[-1:, 0] + 1
    prepared = model._prepare(torch.ones(1, 1).double(), memory[None])
    rule = Rule(torch.ones(1, model.keys + 1).bool(), drawn[None, :0])
    return model._logits(prepared, memory[None], drawn[None], last, rule)[0, :-1]


@examples
@given(roll_of(12, 1 + len(ascending.SPANS)), st.integers(0, 11))
def test_pitch_classes_lie_on_a_ring(roll, shift):
    model, roll = relative(12), roll.double()
    drawn, memory = torch.eye(12).double()[3], roll[1:]
    found = logits(model, drawn.roll(shift), memory.roll(shift, -1))
    torch.testing.assert_close(found, logits(model, drawn, memory).roll(shift))


@examples
@given(roll_of(20, 1 + len(ascending.SPANS)), st.integers(0, 30))
def test_keys_are_seen_by_their_intervals(roll, shift):
    model, roll = relative(50), roll.double()
    inside = torch.nn.functional.pad(roll, (0, 30))
    drawn, memory = inside[0] * (torch.arange(50) < 9), inside[1:]
    drawn[8] = 1
    found = logits(model, drawn.roll(shift), memory.roll(shift, -1))
    expected = logits(model, drawn, memory)
    torch.testing.assert_close(found[shift:], expected[: 50 - shift])
    above = logits(model, drawn, torch.zeros_like(memory))[8 + 25 :]
    torch.testing.assert_close(above, torch.zeros_like(above))  # nothing so near


def test_probabilities_are_float32_under_autocast():
    sampling.needs_bfloat16()
    model, age = Ascending(3, 12, 5, max_notes=4), torch.rand(4, 12) * 20
    with torch.autocast("cpu", torch.bfloat16):
        nats = model.log_prob(torch.rand(4, 3), age, torch.zeros(4, 12))
    assert nats.dtype == torch.float32


@torch.no_grad()
def test_a_ruling_decides_what_is_drawn_at_each_step():
    torch.manual_seed(5)
    model = Ascending(2, 4, 6, max_notes=3, told=1).double()
    allowed = torch.tensor([[1, 1, 0, 1], [0, 1, 1, 0]]).bool()

    def ruling_of(steps: torch.Tensor) -> Ruling:
        """Rule out silence and, at each step, the keys that are not allowed there."""

        def ruling(step, place, last, drawn):
            rule = ascending.free(step, place, last, drawn).allowed.clone()
            rule[:, :-1] &= allowed[steps[step]]
            rule[:, -1] &= place > 0
            return Rule(rule, drawn[:, :1])

        return ruling

    context, age = sampling.random(2, 2), 9 * sampling.random(2, 4)
    for number in (0, 1):
        steps = torch.full((16,), number)
        nats = model.log_prob(context[steps], age[steps], sampling.SETS, ruling_of(steps))
        fits = sampling.SETS.any(-1) & ~sampling.SETS[:, ~allowed[number]].any(-1)
        assert torch.equal(nats > -torch.inf, fits)
        assert abs(nats.exp().sum() - 1) < 1e-12
    steps = torch.arange(400) % 2
    drawn = model.sample(context[steps], age[steps], sampling.random(400, 3), 1.0, ruling_of(steps))
    assert drawn.any(-1).all()
    assert not drawn[~allowed[steps]].any()
    assert drawn.sum(-1).unique().tolist() == [1, 2, 3]


@pytest.mark.parametrize(("few", "rounds"), [(1, [[0, 1, 2], [1, 2], [2]]), (3, [[0, 1, 2]] * 3)])
def test_steps_that_have_ended_are_not_asked_again_if_there_are_many(monkeypatch, few, rounds):
    """Step n ends after n notes."""
    monkeypatch.setattr(ascending, "FEW", few)
    asked = []

    def logits(drawn, last, place, rows):
        asked.append(rows.tolist())
        outcome = torch.where(rows == place, 4, last)
        return torch.nn.functional.one_hot(outcome, 5).float().log()

    drawn = ascending.draw_notes(logits, torch.zeros(3, 4), torch.full((3, 4), 0.5), 1.0)
    assert asked == rounds
    assert drawn.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]]


def test_the_temperature_of_whole_notes_leaves_rhythm_alone_down_to_one_half():
    """Two keys: strike one, strike the other, hold one, hold the other, end."""
    probs = torch.tensor([[0.3, 0.1, 0.15, 0.05, 0.4], [0.0, 0.0, 0.5, 0.0, 0.5], [0, 0, 0, 0, 1]])
    probs = probs.double()

    def found(temperature: float) -> torch.Tensor:
        return ascending.by_part(probs.log(), temperature).exp()

    def between(*shares: float) -> torch.Tensor:
        squares = torch.tensor(shares).double().square()
        return squares / squares.sum()

    torch.testing.assert_close(found(1.0), probs)
    [note, end], struck, held = between(0.6, 0.4), between(0.3, 0.1), between(0.15, 0.05)
    expected = [*(4 / 6 * note * struck), *(2 / 6 * note * held), end]
    torch.testing.assert_close(found(0.5)[0], torch.stack(expected))
    assert found(0.5)[1:].tolist() == probs[1:].tolist()
    # At a quarter, rhythm has one half.
    struck, held = between(0.4, 0.2)
    cold = found(0.25)[0]
    torch.testing.assert_close(cold[:2].sum() / cold[:4].sum(), struck)
    torch.testing.assert_close(cold[2:4].sum() / cold[:4].sum(), held)
    assert found(0)[0].tolist() == [1, 0, 0, 0, 0]
    assert found(0)[2].tolist() == [0, 0, 0, 0, 1]
