"""What tests of samplers share: a toy alphabet, and the checks that every sampler has to pass."""

import itertools
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

KEYS, BATCH, STEPS, FEATURES = 4, 2, 8, 5
SETS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=KEYS))).double()
"""All sets of notes."""

examples = settings(max_examples=20)
"""Enough for properties that hold everywhere; the first call of PyTorch may take long."""


def build(module: ModuleType, **params: Any) -> nn.Module:
    """A sampler in float64 with random weights, far from uniform."""
    torch.manual_seed(2)
    model = module.Sampler(FEATURES, KEYS, module.Params(**params)).double()
    for weight in model.parameters():
        weight.data *= 4
    return model


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def sequence(draws: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, notes and random numbers."""
    notes = (random(BATCH, STEPS, KEYS, seed=1) < 0.3).double()
    return random(BATCH, STEPS, FEATURES) - 0.5, notes, random(BATCH, STEPS, draws, seed=2)


def begin(model: nn.Module, features: Tensor, keys: int = KEYS) -> Any:
    """The state at the beginning, after silence."""
    return model.initial(features.new_zeros(len(features), 1, keys))


def exact(model: nn.Module) -> Tensor:
    """What `log_prob` says about each of the sets at one first step."""
    features = random(1, 1, FEATURES).expand(len(SETS), 1, FEATURES)
    uniforms = random(len(SETS), 1, model.draws)
    return model.log_prob(features, SETS[:, None], begin(model, features), uniforms)[0][:, 0]


def draw(model: nn.Module, count: int, temperature: float = 1.0) -> Tensor:
    """Draw many times at that first step."""
    features = random(1, 1, FEATURES).expand(count, 1, FEATURES)
    uniforms = random(count, 1, model.draws, seed=4)
    return model.sample(features, begin(model, features), uniforms, temperature)[0][:, 0]


def check_frequencies(model: nn.Module, probs: Tensor) -> None:
    """Drawn sets are as frequent as they should be, within 4 standard errors."""
    count = 40_000
    drawn = draw(model, count)
    found = torch.stack([(drawn == one).all(-1).double().mean() for one in SETS])
    assert ((found - probs).abs() <= 4 * (probs * (1 - probs) / count).sqrt() + 1e-12).all()


def check_exact(model: nn.Module) -> None:
    """The probabilities of all sets sum to 1, and sets are drawn with them."""
    with torch.no_grad():
        log_probs = exact(model)
        assert abs(log_probs.exp().sum() - 1) < 1e-12
        assert torch.equal(log_probs == -torch.inf, model.possible(SETS[:, None])[:, 0] == 0)
        check_frequencies(model, log_probs.exp())


def check_steps(model: nn.Module) -> None:
    """A whole sequence is the same as its steps, and as its parts."""
    features, notes, uniforms = sequence(model.draws)
    functions = {
        "loss": model.loss,
        "log_prob": model.log_prob,
        "sample": lambda f, _, s, u: model.sample(f, s, u, 0.8),
    }
    for function in functions.values():
        whole, _ = function(features, notes, begin(model, features), uniforms)
        for lengths in ([1] * STEPS, [1, 4, STEPS - 5]):
            parts = zip(*(x.split(lengths, 1) for x in (features, notes, uniforms)), strict=True)
            state, found = begin(model, features), []
            for now, true, random_numbers in parts:
                part, state = function(now, true, state, random_numbers)
                found.append(part)
            torch.testing.assert_close(torch.cat(found, 1), whole)


def check_gradients(model: nn.Module) -> None:
    """The loss is finite at every step and has a finite gradient at every weight."""
    features, notes, uniforms = sequence(model.draws)
    notes[0, 5] = 1  # which most samplers cannot draw
    features.requires_grad_()
    loss, _ = model.loss(features, notes, begin(model, features), uniforms)
    assert loss.isfinite().all()
    assert loss.shape == (BATCH, STEPS)
    loss.sum().backward()
    assert features.grad.isfinite().all()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def check_log_prob_gradients(model: nn.Module) -> None:
    """Impossible steps are minus infinity and leave the gradient finite."""
    features, notes, uniforms = sequence(model.draws)
    notes[0, 5] = 1
    log_prob, _ = model.log_prob(features, notes, begin(model, features), uniforms)
    possible = model.possible(notes)
    assert torch.equal(log_prob == -torch.inf, possible == 0)
    assert possible[0, 5] == 0
    assert possible.any()
    log_prob.masked_fill(possible == 0, 0).sum().backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def check_cold(model: nn.Module) -> None:
    """At temperature 0 the most probable is taken, whatever the random numbers."""
    features, _, uniforms = sequence(model.draws)
    state = begin(model, features)
    zero, _ = model.sample(features, state, uniforms, 0)
    assert torch.equal(zero, model.sample(features, state, 1 - uniforms, 0)[0])
    assert torch.equal(zero, model.sample(features, state, uniforms, 1e-4)[0])


def needs_bfloat16() -> None:
    """Leave a test out on a processor that cannot compute in bfloat16."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor cannot compute in bfloat16")


def check_autocast(model: nn.Module) -> None:
    """In bfloat16, probabilities are those of float32 and everything stays finite."""
    needs_bfloat16()
    model = model.float()
    features, notes, uniforms = (x.float() for x in sequence(model.draws))
    state = begin(model, features)
    with torch.autocast("cpu", torch.bfloat16):
        for function in (model.loss, model.log_prob):
            nats, _ = function(features, notes, state, uniforms)
            assert nats.dtype == torch.float32
            assert nats[model.possible(notes) > 0].isfinite().all()
        assert model.sample(features, state, uniforms, 1.0)[0].shape == notes.shape


CHORALE = """
43 59 62 67 | 55 59 62 67 | 52 60 64 67 | 54 57 62 74 | 55 62 71 | 50 54 62 71 | 52 55 59 67
48 60 64 67 | 47 60 64 67 | 43 62 67 71 | 50 62 66 69 | 50 62 66 69 | 43 62 67 71 | 42 57 62 74
43 59 64 74 | 45 60 66 72 | 47 62 67 71 | 48 64 67 69 | 50 62 66 69 | 43 59 62 67 | 43 59 62 67
43 62 67 71 | 43 62 67 71 | 45 60 64 72 | 47 59 67 74 | 47 59 67 74 | 47 62 67 74 | 43 62 67 71
"""
"""What sounds at the first quarters of J. S. Bach's BWV 269, as MIDI pitches."""


def chorale(lowest: int, keys: int) -> Tensor:
    """Real frames, Tensor[28, keys]; those of 12 keys are pitch classes."""
    frames = [part.split() for line in CHORALE.split("\n")[1:-1] for part in line.split("|")]
    notes = torch.zeros(len(frames), keys).double()
    for frame, pitches in zip(notes, frames, strict=True):
        frame[[(int(pitch) - lowest) % keys for pitch in pitches]] = 1
    return notes
