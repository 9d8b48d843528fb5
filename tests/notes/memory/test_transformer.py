import math

import pytest
import torch
from pydantic import ValidationError
from remembering import (
    STEPS,
    inputs,
    make,
    run,
    run_in_parts,
)

from ostinato.notes.memory import transformer

SIZES = {"layers": 2, "width": 8, "heads": 2, "dropout": 0.0}


def memory(window: int, **changed):
    return make(transformer, window=window, **{**SIZES, **changed})


@pytest.mark.parametrize(("layers", "window"), [(1, 5), (3, 5), (1, 12)])
def test_a_block_sees_a_window_of_steps(layers, window):
    model = memory(window, layers=layers)
    notes, time, past = inputs()
    changed = notes.clone()
    changed[:, 3] = 1 - changed[:, 3]
    differs = (run(model, notes, time, past) != run(model, changed, time, past)).any(-1).any(0)
    assert differs.nonzero()[:, 0].tolist() == list(range(3, 3 + layers * (window - 1) + 1))


@torch.no_grad()
def test_attention_is_that_of_its_definition():
    block = memory(6).blocks[0]
    query, key, value = torch.randn(3, 2, 2, 11, 4, dtype=torch.float64)
    found = block._attend(query[:, :, 2:], key, value)
    for step in range(2, 11):
        seen = range(max(step - 5, 0), step + 1)
        for one in range(2):
            for head in range(2):
                q = query[one, head, step]
                scores = torch.stack(
                    [q @ (key[one, head, s] + block.distance[head, step - s]) for s in seen]
                )
                weights = (scores / math.sqrt(4)).softmax(0)
                expected = weights @ value[one, head, list(seen)]
                torch.testing.assert_close(found[one, head, step - 2], expected)


def test_what_is_left_out_is_drawn_in_training_only():
    model, whole = memory(16, dropout=0.5), memory(16)
    arguments = inputs()
    assert not torch.equal(run(model, *arguments), run(model, *arguments))
    assert torch.equal(run(model.eval(), *arguments), run(whole, *arguments))


def test_no_more_steps_are_kept_than_are_seen():
    for lengths in ([STEPS], [3, 20, 1]):
        _, state = run_in_parts(memory(7), lengths, *inputs())
        assert [kept.shape[2] for cache in state for kept in cache] == [6] * 4


def test_heads_divide_the_width():
    with pytest.raises(ValidationError, match="width has to be a multiple"):
        transformer.Params(**{**SIZES, "heads": 3, "window": 4})
