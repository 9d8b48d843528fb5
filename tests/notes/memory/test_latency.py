import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from remembering import (
    BATCH,
    KEYS,
    STEPS,
    inputs,
    make,
    run,
    run_in_parts,
)
from sampling import examples
from torch import nn
from torch.nn import functional

from ostinato.notes.memory import latency
from ostinato.notes.parts.memory import CLOCK_BITS

either = pytest.mark.parametrize("separate", [False, True])


def model(separate, delays=(1, 3, 7), cells=6):
    return make(latency, delays=list(delays), cells=cells, separate=separate, aggregation=9)


@examples
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 39), st.booleans())
def test_parts_may_end_anywhere_between_the_delays(delays, cut, separate):
    memory = model(separate, delays)
    parts, _ = run_in_parts(memory, [cut, STEPS - cut], *inputs())
    torch.testing.assert_close(parts, run(memory, *inputs()))


@either
def test_it_begins_at_zero(separate):
    notes, time, past = inputs()
    memory = model(separate)
    torch.testing.assert_close(run(memory, notes, time, past), run(memory, notes, time, 1 - past))


@either
def test_a_delay_of_one_is_a_usual_lstm(separate):
    memory = model(separate, delays=[1])
    notes, time, past = inputs()
    heard = torch.cat([notes, time], -1)
    usual = nn.LSTM(KEYS + CLOCK_BITS, 6, batch_first=True).double()
    usual.load_state_dict(dict(zip(usual.state_dict(), memory.groups.parameters(), strict=True)))
    outputs, groups = memory.groups(heard, memory.initial(past).groups)
    expected, (h, c) = usual(heard)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(groups[0][0], (h[0], c[0]))


def test_one_group_is_the_same_in_both_ways():
    joint, separate = model(False, delays=[7]), model(True, delays=[7])
    same = dict(zip(separate.state_dict(), joint.state_dict().values(), strict=True))
    separate.load_state_dict(same)
    torch.testing.assert_close(run(separate, *inputs()), run(joint, *inputs()))


def changes(memory, step):
    """Steps and numbers at which the groups' outputs change with one input."""
    notes, time, past = inputs()
    heard = torch.cat([notes, time], -1)
    changed = heard.clone()
    changed[:, step] = 1 - changed[:, step]
    before, after = (memory.groups(x, memory.initial(past).groups)[0] for x in (heard, changed))
    return (before != after).any(0)


def test_separate_groups_hear_themselves_after_their_delay():
    delays = [1, 3, 7]
    changed = changes(model(True, delays), 2).unflatten(-1, (3, 6)).any(-1)
    for group, delay in enumerate(delays):
        expected = [step for step in range(2, len(changed)) if (step - 2) % delay == 0]
        assert changed[:, group].nonzero()[:, 0].tolist() == expected


def test_joint_groups_all_hear_each_after_its_delay():
    changed = changes(model(False, [5, 7]), 2).unflatten(-1, (2, 6)).any(-1)
    sums = {5 * a + 7 * b + 2 for a in range(9) for b in range(9)}
    for group in (0, 1):
        steps = changed[:, group].nonzero()[:, 0].tolist()
        assert steps == sorted(step for step in sums if step < len(changed))


@either
def test_the_state_holds_the_last_steps_of_each_group(separate):
    _, state = run_in_parts(model(separate), [STEPS], *inputs())
    assert [len(group) for group in state.groups] == [1, 3, 7]
    assert all(h.shape == c.shape == (BATCH, 6) for group in state.groups for h, c in group)


def error_of_repeating(delay, separate, period=8):
    """Train on 16 random bits whose first period is repeated: the last loss, chance is 0.69."""
    torch.manual_seed(0)
    keys, cells, batch, steps = 16, 48, 32, 32
    params = latency.Params(delays=[delay], cells=cells, separate=separate, aggregation=cells)
    memory, head = latency.Model(keys, params), nn.Linear(cells, keys)
    adam = torch.optim.Adam([*memory.parameters(), *head.parameters()], 0.02)
    for _ in range(100):
        notes = (torch.rand(batch, period, keys) < 0.5).float().repeat(1, steps // period, 1)
        heard = notes[:, :-1]
        features, _ = memory(
            heard, torch.zeros(batch, steps - 1, CLOCK_BITS), memory.initial(heard[:, :1])
        )
        logits = head(features)[:, period - 1 :]
        loss = functional.binary_cross_entropy_with_logits(logits, notes[:, period:])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return loss.item()


@either
def test_it_learns_to_repeat(separate):
    assert error_of_repeating(7, separate) < 0.15


def test_what_comes_next_is_a_step_less_than_a_period_ago():
    assert error_of_repeating(8, separate=True) > 0.65
