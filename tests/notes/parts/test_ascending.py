import sampling
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.notes.parts import ascending
from ostinato.notes.parts.ascending import Ascending

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
    whole, after = ascending.ages(notes[None], ascending.never(notes[None], 3))
    for step in range(8):
        for key in range(3):
            struck = notes[:step, key].nonzero()[:, 0].tolist()
            assert whole[0, step, key] == (step - struck[-1] if struck else torch.inf)
    one, age = ascending.ages(notes[None, :first], ascending.never(notes[None], 3))
    other, age = ascending.ages(notes[None, first:], age)
    assert torch.equal(torch.cat([one, other], 1), whole)
    assert torch.equal(age, after)


def test_traces_begin_at_one_and_fade():
    for row, span in zip(
        ascending.traces(torch.tensor([1.0, 5.0, torch.inf])), ascending.SPANS, strict=True
    ):
        expected = torch.tensor([0.0, -4 / span, -torch.inf]).exp()
        torch.testing.assert_close(row, expected)


def relative(keys: int) -> Ascending:
    """A network that knows nothing but intervals."""
    torch.manual_seed(5)
    model = Ascending(1, keys, 6).double()
    for weight in model.parameters():
        weight.data *= 3
    model.of_step.weight.data[:, 1:] = 0
    model.of_draw.weight.data[:, : 2 * keys] = 0
    model.absolute.weight.data[:] = 0
    model.absolute.bias.data[:] = 0
    return model


def logits(model: Ascending, drawn: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    last = drawn.nonzero()[-1:, 0] + 1
    prepared = model.prepare(torch.ones(1, 1).double(), memory[None])
    return model(prepared, memory[None], drawn[None], last)[0, :-1]


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


def test_the_logits_are_float32_under_autocast():
    sampling.needs_bfloat16()
    model, memory = Ascending(3, 12, 5), torch.rand(4, len(ascending.SPANS), 12)
    with torch.autocast("cpu", torch.bfloat16):
        prepared = model.prepare(torch.rand(4, 3), memory)
        found = model(prepared, memory, torch.zeros(4, 12), torch.zeros(4, dtype=torch.int64))
    assert found.dtype == torch.float32
