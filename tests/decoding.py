"""What every decoder has to do, for their tests."""

from types import ModuleType
from typing import Any

import torch
from sampling import needs_bfloat16, random
from torch import Tensor

from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.decoder import Decoder

BATCH, STEPS = 3, 6
PLAYED = (random(BATCH, STEPS, KEYS) < 0.04).double()
PAST = (random(BATCH, 2, KEYS, seed=1) < 0.04).double()
MASK = torch.ones(BATCH, STEPS).double()


def build(module: ModuleType, *keyboard: Any, scale: float = 3, **params: Any) -> Decoder:
    """A decoder in float64 with random weights, far from uniform."""
    torch.manual_seed(3)
    model = module.Model(module.Params(**params), *keyboard).double()
    for weight in model.parameters():
        weight.data *= scale
    return model


def uniforms_of(model: Decoder, *shape: int, seed: int = 2) -> Tensor:
    return random(*shape, model.num_uniforms, seed=seed)


def check_steps(model: Decoder) -> None:
    """A whole sequence is the same as its parts, and following it is hearing it."""
    uniforms = uniforms_of(model, BATCH, STEPS)
    whole, end = model.log_prob(PLAYED, model.initial(PAST), uniforms)
    assert whole.shape == (BATCH, STEPS)
    for lengths in ([1] * STEPS, [2, 1, 3]):
        state, parts = model.initial(PAST), []
        for now, chance in zip(PLAYED.split(lengths, 1), uniforms.split(lengths, 1), strict=True):
            nats, state = model.log_prob(now, state, chance)
            parts.append(nats)
        torch.testing.assert_close(torch.cat(parts, 1), whole)
        torch.testing.assert_close(state, end)
    torch.testing.assert_close(model.follow(PLAYED, model.initial(PAST)), end)


def check_sampling_is_followed(model: Decoder) -> None:
    """The state after a draw is that after hearing it."""
    begin, classes = model.initial(PAST), model.classes(PLAYED[:, :1])
    keys, sampled = model.sample(classes, begin, uniforms_of(model, BATCH, 1), 1.0)
    torch.testing.assert_close(sampled, model.follow(keys, begin))


def check_samples(model: Decoder) -> None:
    """Samples have just the sounding classes, and can be drawn."""
    classes = model.classes((random(200, 1, KEYS, seed=4) < 0.05).double())
    classes[0], classes[1] = 0, 1
    state, uniforms = model.initial(PAST[:1].expand(200, -1, -1)), uniforms_of(model, 200, 1)
    for temperature in (0, 0.5, 1.0, 2.0):
        keys, _ = model.sample(classes, state, uniforms, temperature)
        assert keys.shape == (200, 1, KEYS)
        assert torch.equal(model.classes(keys), classes)
        nats, _ = model.log_prob(keys, state, uniforms)
        assert nats.isfinite().all()


def check_guesses(model: Decoder) -> None:
    """Guesses are what would be drawn at each step, after the true ones before it."""
    notes = model.classes((random(4, BATCH, STEPS, KEYS, seed=5) < 0.04).double())
    uniforms = uniforms_of(model, 4, BATCH, STEPS)
    guesses = model.guess(notes, PAST, PLAYED, uniforms)
    assert guesses.shape == (4, BATCH, STEPS, KEYS)
    for written, chances, guess in zip(notes, uniforms, guesses, strict=True):
        state = model.initial(PAST)
        for step in range(STEPS):
            now = slice(step, step + 1)
            keys, _ = model.sample(written[:, now], state, chances[:, now], 1.0)
            assert torch.equal(keys, guess[:, now])
            state = model.follow(PLAYED[:, now], state)


def check_likeliest(model: Decoder) -> None:
    """The likeliest are those of temperature 0, whatever the random numbers."""
    found, state = model.likeliest(PLAYED, model.initial(PAST)), model.initial(PAST)
    for step in range(STEPS):
        now = PLAYED[:, step : step + 1]
        uniforms, classes = uniforms_of(model, BATCH, 1, seed=step), model.classes(now)
        for temperature in (0, 1e-6):
            keys, _ = model.sample(classes, state, uniforms, temperature)
            assert torch.equal(keys, found[:, step, None])
        state = model.follow(now, state)


def check_gradients(model: Decoder) -> None:
    """The loss has a finite gradient at every weight."""
    loss = model(PAST, PLAYED, MASK, uniforms_of(model, BATCH, STEPS))
    assert loss.shape == ()
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def check_mask(model: Decoder) -> None:
    """Steps behind the end of a song do not count, and without any step there is no loss."""
    mask, changed = MASK.clone(), PLAYED.clone()
    mask[:, 4:] = 0
    changed[:, 4:] = (random(BATCH, 2, KEYS, seed=7) < 0.04).double()
    uniforms = uniforms_of(model, BATCH, STEPS)
    loss = model(PAST, PLAYED, mask, uniforms)
    torch.testing.assert_close(model(PAST, changed, mask, uniforms), loss)
    assert model(PAST, PLAYED, 0 * mask, uniforms) == 0


def check_shares(model: Decoder) -> None:
    """The loss is a mean over what is counted: shares of a batch, so weighted, give that of all."""
    mask = MASK.clone()
    mask[0, 2:] = 0
    batch = PAST, PLAYED, mask, uniforms_of(model, BATCH, STEPS)
    shares = [[each[rows] for each in batch] for rows in (slice(1), slice(1, None))]
    weights = torch.stack([model.counted(share[1], share[2]) for share in shares])
    losses = torch.stack([model(*share) for share in shares])
    assert weights[0] != weights[1]
    torch.testing.assert_close((losses * weights).sum() / weights.sum(), model(*batch))


def check_autocast(model: Decoder) -> None:
    """It trains in bfloat16, and the loss is in float32."""
    needs_bfloat16()
    model = model.float()
    past, played, mask = (each.float() for each in (PAST, PLAYED, MASK))
    uniforms = uniforms_of(model, BATCH, STEPS).float()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(past, played, mask, uniforms)
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def check_device(model: Decoder) -> None:
    """No tensor is made without a device: on a GPU it would lie elsewhere."""
    uniforms = uniforms_of(model, 2, BATCH, STEPS)
    notes = model.classes(PLAYED).expand(2, -1, -1, -1)
    with torch.device("meta"):
        loss = model(PAST, PLAYED, MASK, uniforms[0])
        begin = model.initial(PAST)
        nats, _ = model.log_prob(PLAYED, begin, uniforms[0])
        keys, _ = model.sample(notes[0, :, :1], begin, uniforms[0, :, :1], 1.0)
        best, guesses = model.likeliest(PLAYED, begin), model.guess(notes, PAST, PLAYED, uniforms)
        model.follow(PLAYED, begin)
        if loss.requires_grad:
            loss.backward()
    assert {each.device.type for each in (loss, nats, keys, best, guesses)} == {"cpu"}
