import itertools
import math

import decoding
import torch
from decoding import PAST, PLAYED
from sampling import random

from ostinato.notes.data.rolls import CLASS_OF_KEY, KEYS
from ostinato.notes.decoders import lstm


def decoder():
    return decoding.build(lstm, hidden=8)


def test_probabilities_of_all_key_sets_of_the_sounding_classes_sum_to_one():
    model = decoder()
    octaves = [[k for k in range(KEYS) if CLASS_OF_KEY[k] == c][:8] for c in (0, 4)]
    rows = []
    for chosen in itertools.product(*(itertools.product([0, 1], repeat=len(o)) for o in octaves)):
        if all(any(bits) for bits in chosen):
            row = torch.zeros(KEYS, dtype=torch.float64)
            for keys, bits in zip(octaves, chosen, strict=True):
                row[keys] = torch.tensor(bits, dtype=torch.float64)
            rows.append(row)
    sets = torch.stack(rows)[:, None]
    log_probs, _ = model.log_prob(sets, model.initial(PAST[:1].expand(len(sets), -1, -1)), None)
    total = log_probs.exp().sum().item()
    octaves_of_c = int((CLASS_OF_KEY == 0).sum())
    assert octaves_of_c == 8
    assert math.isclose(total, 1, abs_tol=1e-9)


def test_keys_are_drawn_with_their_probabilities():
    """Of one class; where none of its keys is drawn, it gets its most probable one."""
    model, count = decoder(), 40_000
    octaves = [k for k in range(KEYS) if CLASS_OF_KEY[k] == 4]
    sets = torch.zeros(2 ** len(octaves) - 1, 1, KEYS).double()
    for row, bits in enumerate(
        itertools.islice(itertools.product([0, 1], repeat=len(octaves)), 1, None)
    ):
        sets[row, 0, octaves] = torch.tensor(bits).double()
    begin = model.initial(PAST[:1].expand(len(sets), -1, -1))
    probs = model.log_prob(sets, begin, sets)[0][:, 0].exp()
    assert math.isclose(probs.sum().item(), 1, abs_tol=1e-9)
    classes = torch.zeros(count, 1, 12).double()
    classes[..., 4] = 1
    begin = model.initial(PAST[:1].expand(count, -1, -1))
    drawn, _ = model.sample(classes, begin, random(count, 1, KEYS, seed=5), 1.0)
    weights = 2 ** torch.arange(len(octaves)).double().flip(0)
    numbers = (drawn[:, 0, octaves] @ weights).long() - 1
    found = torch.bincount(numbers, minlength=len(sets)) / count
    assert ((found - probs).abs() <= 4 * (probs * (1 - probs) / count).sqrt() + 1e-12).all()


def test_silence_is_certain_when_no_class_sounds():
    model = decoder()
    log_prob, _ = model.log_prob(torch.zeros(1, 1, KEYS).double(), model.initial(PAST[:1]), None)
    assert log_prob.item() == 0


def test_a_class_without_a_key_gets_its_most_probable_one():
    model = decoder()
    logits = torch.full((1, 1, KEYS), -9.0).double()
    logits[..., 39] = -5.0  # a C
    classes = torch.zeros(1, 1, 12).double()
    classes[..., 0] = 1
    keys = model.complete(torch.zeros(1, 1, KEYS).double(), logits, classes)
    assert keys.nonzero().tolist() == [[0, 0, 39]]


def test_the_loss_leaves_out_silent_classes():
    model, none = decoder(), torch.zeros(1, 1, KEYS).double()
    one_key = torch.zeros(1, 1, KEYS).double()
    one_key[..., 39] = 1
    logits, _ = model._logits(one_key, model.initial(PAST[:1]))
    c_keys = torch.from_numpy(CLASS_OF_KEY == 0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[0, 0, c_keys], one_key[0, 0, c_keys]
    )
    found = model(PAST[:1], one_key, torch.ones(1, 1).double(), none)
    torch.testing.assert_close(found, expected)


def test_the_loss_is_the_mean_over_the_keys_that_could_be_played():
    model = decoder()
    logits, _ = model._logits(PLAYED, model.initial(PAST))
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, PLAYED, reduction="none")
    mask = decoding.MASK.clone()
    mask[:, 4:] = 0
    possible = (model.classes(PLAYED)[..., torch.from_numpy(CLASS_OF_KEY)] * mask[..., None]) > 0
    found = model(PAST, PLAYED, mask, decoding.uniforms_of(model, *mask.shape))
    torch.testing.assert_close(found, each[possible].mean())
