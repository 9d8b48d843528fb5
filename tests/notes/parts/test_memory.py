import torch
from remembering import BATCH, KEYS, PAST, STEPS, inputs

from ostinato.notes.parts.memory import clock, lagged


def test_the_clock_counts_to_64_in_binary():
    bits = clock(torch.tensor([[62], [127]]) + torch.arange(4), torch.float32)
    numbers = (bits * 2 ** torch.arange(6)).sum(-1)
    assert numbers.tolist() == [[62, 63, 0, 1], [63, 0, 1, 2]]


def test_a_lag_of_one_is_the_step_before():
    notes, _, past = inputs()
    heard = torch.cat([past, notes], 1)  # up to the step before the last of as many steps
    assert torch.equal(lagged(heard, 1, STEPS), notes)
    assert torch.equal(lagged(heard, 3, STEPS), heard[:, PAST - 2 : -2])
    assert torch.equal(lagged(heard, PAST + 1, STEPS), heard[:, :STEPS])
    assert lagged(heard, 5, 1).shape == (BATCH, 1, KEYS)
