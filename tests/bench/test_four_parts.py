"""Which part sings which key: a figure of papers has to be what they mean by it."""

import itertools

import four_parts
import numpy as np
import pytest
import torch

BEFORE = [60, 64, 67, 72], [72, 67, 67, -1], [-1, -1, -1, -1]


@torch.no_grad()
@pytest.mark.parametrize("keys", [[], [60], [72, 60], [72, 67, 48], [72, 67, 60, 48]])
@pytest.mark.parametrize("before", BEFORE)
def test_all_ways_to_divide_a_set_have_a_probability_of_one_together(keys, before):
    torch.manual_seed(0)
    model = four_parts.Assignment()
    for weight in model.parameters():
        weight *= 4
    every = [
        way for way in itertools.product([*keys, -1], repeat=4) if set(way) - {-1} == set(keys)
    ]
    tokens = torch.tensor(every).view(-1, 4)
    nats = model(tokens, torch.tensor([before]).expand(len(tokens), -1))
    assert nats.exp().sum() == pytest.approx(1, abs=1e-5)
    assert nats.isfinite().all()
    if len(keys) in (2, 3):
        assert nats.exp().std() > 1e-3


def test_sets_are_what_sounds():
    song = np.array([[72, 67, 67, -1], [-1, -1, -1, 21]])
    roll = four_parts.rolls_of([song])[0]
    assert np.argwhere(roll).tolist() == [[0, 46], [0, 51], [1, 0]]


def test_it_learns_who_sings_what():
    """The third part doubles the second, the fourth is silent; then they change places."""
    song = np.array([[72, 67, 67, -1], [71, 66, 66, -1]] * 40)
    other = np.array([[72, 67, -1, 67], [71, 66, -1, 66]] * 40)
    nats = four_parts.nats(four_parts.fit([song, other] * 30, 1), [song, other])
    assert nats[1:80].max() < 0.1
    assert nats[81:].max() < 0.1
    assert nats[[0, 80]].min() > 0.3  # nobody could know it at the first frame
