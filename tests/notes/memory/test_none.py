import pytest
import torch
from remembering import (
    inputs,
    make,
    run,
)

from ostinato.notes.memory import none


@pytest.fixture
def model():
    return make(none, local=6, aggregation=9)


def test_it_does_not_read_what_was_before(model):
    notes, time, past = inputs()
    torch.testing.assert_close(run(model, notes, time, past), run(model, notes, time, 1 - past))


def test_it_knows_the_time(model):
    notes, time, past = inputs()
    assert not torch.allclose(run(model, notes, time, past), run(model, notes, 1 - time, past))
