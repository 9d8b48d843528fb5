import pytest
import torch
from remembering import (
    first_change,
    inputs,
    make,
    run,
)

from ostinato.notes.memory import capsules


@pytest.fixture
def model():
    return make(capsules, lags=[1, 4, 16], capsule=6, aggregation=9)


@pytest.mark.parametrize(("lag", "first"), [(4, 2), (16, 14)])
def test_a_capsule_reads_at_its_lag(lag, first):
    assert first_change(make(capsules, lags=[lag], capsule=6, aggregation=9), -1) == first


def test_each_capsule_hears_one_lag_and_no_time(model):
    notes, time, past = inputs()
    seen = []
    for lstm in [*model.capsules, model.aggregation]:
        lstm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run(model, notes, time, past)
    everything = torch.cat([past, notes], 1)
    for lag, heard in zip(model.lags, seen[:-1], strict=True):
        torch.testing.assert_close(heard, everything[:, 21 - lag :][:, : notes.shape[1]])
    torch.testing.assert_close(seen[-1][..., 3 * 6 :], torch.cat([notes, time], -1))
