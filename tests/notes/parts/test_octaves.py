import itertools

import numpy as np
import torch

from ostinato.notes.data.rolls import CLASS_OF_KEY, KEYS, pitch_classes
from ostinato.notes.parts.octaves import Octaves

TOY = np.array([0, 1, 2, 0, 1, 2, 0])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_keys_fold_into_pitch_classes():
    keys = (random(5, 3, KEYS) < 0.1).double()
    octaves = Octaves(5, 1, 2).double()
    classes = octaves.classes(keys)
    assert np.array_equal(classes.numpy(), pitch_classes(keys.numpy()))
    assert torch.equal(octaves.keys_of(classes), classes[..., torch.from_numpy(CLASS_OF_KEY)])


def test_probabilities_of_all_key_sets_of_the_sounding_classes_sum_to_one():
    octaves = Octaves(5, 1, 2, TOY).double()
    sets = torch.tensor(list(itertools.product([0.0, 1.0], repeat=7))).double()
    probs = octaves.log_prob_of((random(7) * 8 - 4).expand(128, 7), sets).exp()
    sounding = (octaves.classes(sets) @ torch.tensor([1.0, 2.0, 4.0]).double()).long()
    total = torch.zeros(8).double().index_add(0, sounding, probs)
    torch.testing.assert_close(total, torch.ones(8).double())
    assert probs[0] == 1


def test_a_class_without_a_key_gets_its_most_probable_one():
    octaves = Octaves(5, 1, 2, TOY).double()
    keys = torch.tensor([[1.0, 0, 1, 0, 0, 0, 0]]).double()
    logits = torch.tensor([[0.0, -9, 5, 9, -8, 5, 0]]).double()
    found = octaves.complete(keys, logits, torch.tensor([[1.0, 1, 0]]).double())
    assert found.tolist() == [[1, 0, 0, 0, 1, 0, 0]]


def test_following_hears_the_classes_now_and_the_keys_before():
    octaves = Octaves(5, 1, 4, TOY).double()
    keys, past = (random(2, 6, 7) < 0.3).double(), (random(2, 3, 7, seed=1) < 0.3).double()
    before = torch.cat([past[:, -1:], keys[:, :-1]], 1)
    expected, _ = octaves.lstm(torch.cat([octaves.classes(keys), before], -1))
    whole, after = octaves.listen(keys, octaves.initial(past))
    torch.testing.assert_close(whole, expected)
    state, parts = octaves.initial(past), []
    for part in keys.split([1, 2, 3], 1):
        output, state = octaves.listen(part, state)
        parts.append(output)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, after)
    torch.testing.assert_close(octaves.follow(keys, octaves.initial(past)), after)
