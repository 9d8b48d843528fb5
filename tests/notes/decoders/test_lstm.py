import itertools
import math

import torch

from ostinato.notes.data.rolls import CLASS_OF_KEY, KEYS
from ostinato.notes.decoders.lstm import Decoder, Params

BATCH, STEPS = 3, 10


def decoder() -> Decoder:
    torch.manual_seed(3)
    model = Decoder(Params(hidden=8)).double()
    for weight in model.parameters():
        weight.data *= 3
    return model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


KEYS_PLAYED = (random(BATCH, STEPS, KEYS) < 0.04).double()
PAST = (random(BATCH, 2, KEYS, seed=1) < 0.04).double()


def test_a_whole_sequence_is_the_same_as_its_steps():
    model = decoder()
    whole, _ = model.log_prob(KEYS_PLAYED, model.initial(PAST), None)
    state, steps = model.initial(PAST), []
    for step in range(STEPS):
        value, state = model.log_prob(KEYS_PLAYED[:, step : step + 1], state, None)
        steps.append(value)
    assert whole.shape == (BATCH, STEPS)
    torch.testing.assert_close(torch.cat(steps, 1), whole)


def test_following_is_the_same_as_having_sampled():
    model = decoder()
    classes = model.classes(KEYS_PLAYED[:, :1])
    keys, sampled = model.sample(classes, model.initial(PAST), random(BATCH, 1, KEYS), 1.0)
    followed = model.follow(keys, model.initial(PAST))
    assert torch.equal(sampled.keys, followed.keys)
    torch.testing.assert_close(sampled.lstm, followed.lstm)


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
    probs = model.log_prob(sets, begin, None)[0][:, 0].exp()
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


def test_samples_have_just_the_sounding_classes():
    model = decoder()
    classes = (random(200, 1, 12, seed=2) < 0.3).double()
    state = model.initial(PAST[:1].expand(200, -1, -1))
    for temperature in (0, 0.5, 1.0):
        keys, _ = model.sample(classes, state, random(200, 1, KEYS, seed=3), temperature)
        assert torch.equal(model.classes(keys), classes)


def test_a_class_without_a_key_gets_its_most_probable_one():
    model = decoder()
    logits = torch.full((1, 1, KEYS), -9.0).double()
    logits[..., 39] = -5.0  # a C
    classes = torch.zeros(1, 1, 12).double()
    classes[..., 0] = 1
    keys = model.complete(torch.zeros(1, 1, KEYS).double(), logits, classes)
    assert keys.nonzero().tolist() == [[0, 0, 39]]


def test_the_loss_leaves_out_silent_classes_and_steps_behind_the_end():
    model = decoder()
    mask = torch.ones(BATCH, STEPS).double()
    mask[:, 6:] = 0
    loss = model(PAST, KEYS_PLAYED, mask, None)
    changed = KEYS_PLAYED.clone()
    changed[:, 6:] = 1 - changed[:, 6:]
    torch.testing.assert_close(model(PAST, changed, mask, None), loss)
    one_key = torch.zeros(1, 1, KEYS).double()
    one_key[..., 39] = 1
    logits, _ = model._logits(one_key, model.initial(PAST[:1]))
    c_keys = torch.from_numpy(CLASS_OF_KEY == 0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[0, 0, c_keys], one_key[0, 0, c_keys]
    )
    found = model(PAST[:1], one_key, torch.ones(1, 1).double(), None)
    torch.testing.assert_close(found, expected)


def test_gradients_reach_every_weight():
    model = decoder()
    model(PAST, KEYS_PLAYED, torch.ones(BATCH, STEPS).double(), None).backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())
