import pytest
import torch
from remembering import (
    first_change,
    inputs,
    make,
    run,
)

from ostinato.notes.memory import lookback


def model(lags=(1, 4, 16), hidden=(8, 7), clock=True):
    return make(lookback, lags=list(lags), hidden=list(hidden), clock=clock)


def test_features_are_those_of_the_highest_lstm():
    assert model(hidden=[8, 7]).num_features == 7


@pytest.mark.parametrize(("lag", "step", "first"), [(1, 3, 3), (4, 3, 6), (4, -1, 2), (16, -1, 14)])
def test_it_reads_at_the_lag(lag, step, first):
    assert first_change(model(lags=[lag]), step) == first


def test_it_reads_all_lags_side_by_side():
    reader = model()
    notes, time, past = inputs()
    seen = []
    reader.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run(reader, notes, time, past)
    everything = torch.cat([past, notes], 1)
    shifted = [everything[:, 21 - lag :][:, : notes.shape[1]] for lag in (1, 4, 16)]
    torch.testing.assert_close(seen[0], torch.cat([*shifted, time], -1))


def test_it_need_not_know_the_time():
    notes, time, past = inputs()
    for clock in (False, True):
        reader = model(clock=clock)
        same = torch.equal(run(reader, notes, time, past), run(reader, notes, 1 - time, past))
        assert same != clock
