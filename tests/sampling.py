"""What tests of samplers share: a toy alphabet, and the checks that every sampler has to pass."""

import itertools
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import settings
from making import positions
from torch import Tensor

from ostinato.notes.data.positions import FINAL
from ostinato.notes.parts import repeating
from ostinato.notes.parts.repeating import Repeating
from ostinato.notes.parts.sampler import Sampler

KEYS, BATCH, STEPS, FEATURES = 4, 2, 8, 5
SETS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=KEYS))).double()
"""All sets of notes."""
WHOLE = torch.tensor(list(itertools.product([0.0, 1.0, -1.0], repeat=KEYS))).double()
"""All that may be struck and held."""

examples = settings(max_examples=20)
"""Enough for properties that hold everywhere; the first call of PyTorch may take long."""


def build(
    module: ModuleType,
    lags: list[int] | None = None,
    scale: float = 4,
    lengths: bool = False,
    **params: Any,
) -> Sampler:
    """A sampler in float64 with random weights, far from uniform; with lags, behind a gate."""
    torch.manual_seed(2)
    more = {"lengths": True} if lengths else {}
    model = module.Model(FEATURES, KEYS, module.Params(**params), **more)
    for weight in model.parameters():
        weight.data *= scale
    if lags:
        model = Repeating(model, FEATURES, repeating.Params(lags=lags, hidden=3))
        torch.nn.init.normal_(model.situation, std=0.1)  # so that it copies often
        torch.nn.init.normal_(model.lag)
    return model.double()


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


class Music(NamedTuple):
    """Some steps of random music after others, and what a sampler is told about them."""

    features: Tensor
    known: Tensor
    uniforms: Tensor

    @property
    def past(self) -> Tensor:
        return self.known[:, : self.known.shape[1] - self.features.shape[1]]

    @property
    def notes(self) -> Tensor:
        return self.known[:, -self.features.shape[1] :]

    def part(self, first: int, last: int) -> "Music":
        """Some of the steps, with as much past as the whole has."""
        end = self.past.shape[1] + last
        now = slice(first, last)
        return Music(self.features[:, now], self.known[:, first:end], self.uniforms[:, now])


def music(model: Sampler, silent: bool = False, repeating: bool = False) -> Music:
    """Eight steps after random ones, or after silence; or music that repeats every two steps."""
    context = model.context_length + 3
    known = (random(BATCH, context + STEPS, KEYS, seed=1) < 0.3).double()
    if has_lengths(model):
        known = held(known, random(*known.shape, seed=7) < 0.6)
    if repeating:
        known[:, 2:] = known[:, :2].repeat(1, known.shape[1], 1)[:, : known.shape[1] - 2]
        known[:, -3] = 1 - known[:, -3].abs()
        known[:, -2][known[:, -3] == 0] = known[:, -2][known[:, -3] == 0].abs()
    if silent:
        known[:, :context] = 0
        known[:, context] = known[:, context].abs()
    uniforms = random(BATCH, STEPS, model.num_uniforms, seed=2)
    return Music(random(BATCH, STEPS, FEATURES) - 0.5, known, uniforms)


def has_lengths(model: Sampler) -> bool:
    return any(getattr(part, "lengths", False) for part in model.modules())


def held(struck: Tensor, on: Tensor) -> Tensor:
    """Whole notes: struck where they are, held after that for as long as a mask says."""
    notes = struck.clone()
    for step in range(1, notes.shape[1]):
        lasts = (notes[:, step - 1] != 0) & on[:, step] & (notes[:, step] == 0)
        notes[:, step][lasts] = -1
    return notes


def song(model: Sampler, notes: Tensor, features: int = FEATURES) -> Music:
    """Sequences of given notes, Tensor[B, T, K], from their beginning on: after silence."""
    before = notes.new_zeros(len(notes), model.context_length, notes.shape[2])
    told = random(*notes.shape[:2], features)
    uniforms = random(*notes.shape[:2], model.num_uniforms, seed=2)
    return Music(told, torch.cat([before, notes], 1), uniforms)


def first_step(model: Sampler, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, past and random numbers of one step, the same but for the last many times."""
    features = random(1, 1, FEATURES).expand(count, 1, FEATURES)
    past = (random(1, model.context_length, KEYS, seed=6) < 0.4).double()
    uniforms = random(count, 1, model.num_uniforms, seed=seed)
    return features, past.expand(count, -1, -1), uniforms


def first(model: Sampler, notes: Tensor) -> Music:
    """That first step once for each of some sets, Tensor[N, K], which is then the truth."""
    features, past, uniforms = first_step(model, len(notes), 0)
    return Music(features, torch.cat([past, notes[:, None]], 1), uniforms)


def loss(model: Sampler, some: Music) -> Tensor:
    """The loss of each step, from the beginning on."""
    return model.loss(some.features, some.known, model.initial(some.past), some.uniforms)[0]


def log_prob(model: Sampler, some: Music) -> Tensor:
    """The log-probability of each step, from the beginning on."""
    return model.log_prob(some.features, some.known, model.initial(some.past), some.uniforms)[0]


def exact(model: Sampler) -> Tensor:
    """What `log_prob` says about each of the sets at one first step."""
    return log_prob(model, first(model, sets(model)))[:, 0]


def sets(model: Sampler) -> Tensor:
    """All that may be drawn: Tensor[any, K]."""
    return WHOLE if has_lengths(model) else SETS


def draw(model: Sampler, count: int, temperature: float = 1.0) -> Tensor:
    """Draw many times at that first step."""
    features, past, uniforms = first_step(model, count, 4)
    return model.sample(features, past, model.initial(past), uniforms, temperature)[0][:, 0]


def check_frequencies(model: Sampler, probs: Tensor) -> None:
    """Drawn sets are as frequent as they should be, within 4 standard errors."""
    rows = draws = 200
    features, past, _ = first_step(model, rows, 0)
    uniforms = random(draws, 2, rows, 1, model.num_uniforms, seed=4)
    known = torch.cat([past, past[:, :1]], 1)  # what stands at the step itself does not count
    drawn = model.guess(features, known, uniforms).flatten(0, 2)
    found = torch.stack([(drawn == one).all(-1).double().mean() for one in sets(model)])
    assert ((found - probs).abs() <= 4 * (probs * (1 - probs) / len(drawn)).sqrt() + 1e-12).all()


def check_exact(model: Sampler) -> None:
    """The probabilities of all sets sum to 1, and sets are drawn with them."""
    with torch.no_grad():
        log_probs = exact(model)
        assert abs(log_probs.exp().sum() - 1) < 1e-12
        every = sets(model)
        silent = first_step(model, 1, 0)[1][0, -1] == 0  # what does not sound cannot be held
        possible = model.in_support(every) & ~((every < 0) & silent).any(-1)
        assert torch.equal(log_probs > -torch.inf, possible)
        check_frequencies(model, log_probs.exp())


def check_steps(model: Sampler) -> None:
    """A whole sequence is the same as its parts, whatever was known before."""
    model.eval()  # in training, a sampler may compute only a part of it
    for some in (music(model), music(model, silent=True), music(model, repeating=True)):
        for function in (model.loss, model.log_prob):
            whole, _ = function(some.features, some.known, model.initial(some.past), some.uniforms)
            for lengths in ([1] * STEPS, [1, 4, STEPS - 5]):
                state, found, first = model.initial(some.past), [], 0
                for length in lengths:
                    part = some.part(first, first + length)
                    nats, state = function(part.features, part.known, state, part.uniforms)
                    found.append(nats)
                    first += length
                torch.testing.assert_close(torch.cat(found, 1), whole)


def check_order(model: Sampler) -> None:
    """A step's probability sees no later step, and no other sequence."""
    some = music(model)
    changed = some.known.clone()
    changed[0, -3] = 1 - changed[0, -3].abs()
    before, after = log_prob(model, some), log_prob(model, some._replace(known=changed))
    torch.testing.assert_close(after[0, :-3], before[0, :-3])
    torch.testing.assert_close(after[1], before[1])
    assert after[0, -3] != before[0, -3]


def check_guesses(model: Sampler) -> None:
    """Guesses are what would be drawn at each step, after the true ones before it."""
    some = music(model, repeating=True)
    uniforms = random(3, 2, BATCH, STEPS, model.num_uniforms, seed=5)
    guesses = model.guess(some.features, some.known, uniforms)
    for draws, guess in zip(uniforms, guesses, strict=True):
        state = model.initial(some.past)
        for step in range(STEPS):
            part, now = some.part(step, step + 1), slice(step, step + 1)
            notes, _ = model.sample(part.features, part.past, state, draws[1][:, now], 1.0)
            assert torch.equal(notes, guess[:, now])
            _, state = model.log_prob(part.features, part.known, state, draws[0][:, now])
    assert not all(torch.equal(guess, guesses[0]) for guess in guesses)


def check_drawing_goes_on(model: Sampler) -> None:
    """What is drawn can be drawn, and the state after it is that after hearing it.

    Draws that leave a mark in the state are the exception; a gate hears what it plays.
    """
    some = music(model)
    part, rest = some.part(0, 1), some.part(1, STEPS)
    before = model.initial(part.past)
    notes, after = model.sample(part.features, part.past, before, part.uniforms, 1.0)
    assert notes.shape == (BATCH, 1, KEYS)
    played = torch.cat([part.past, notes], 1)
    nats, heard = model.log_prob(part.features, played, before, part.uniforms)
    assert nats.isfinite().all()
    known = torch.cat([played[:, 1:], rest.notes], 1)
    drawn, given = (
        model.log_prob(rest.features, known, state, rest.uniforms)[0] for state in (after, heard)
    )
    if isinstance(model, Repeating) or not model.remembers_draws:
        torch.testing.assert_close(drawn, given)


def check_gradients(model: Sampler) -> None:
    """The loss is finite at every step and has a finite gradient at every weight."""
    some = music(model)
    some.known[1, -4:] = some.known[1, -5:-4].abs()  # repeated at all lags
    some.known[0, -3] = 1  # which most samplers cannot draw
    some.features.requires_grad_()
    for weight in model.parameters():
        if not weight.any():  # it would hide the weights before it
            torch.nn.init.normal_(weight, std=0.1)
    where = positions(*range(BATCH), steps=STEPS)
    where[..., FINAL] = 7
    begin = model.initial(some.past, positions=where)
    found = model.loss(some.features, some.known, begin, some.uniforms)[0]
    assert found.isfinite().all()
    assert found.shape == (BATCH, STEPS)
    found.sum().backward()
    assert some.features.grad.isfinite().all()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def check_log_prob_gradients(model: Sampler) -> None:
    """Impossible steps are minus infinity and leave the gradient finite."""
    some = music(model)
    some.known[0, -3] = 1
    nats, possible = log_prob(model, some), model.in_support(some.notes)
    assert possible.dtype == torch.bool
    assert torch.equal(nats > -torch.inf, possible)
    assert possible.any()
    nats.masked_fill(~possible, 0).sum().backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def check_cold(model: Sampler) -> None:
    """At temperature 0 the most probable is taken, whatever the random numbers."""
    part = music(model).part(0, 1)
    state = model.initial(part.past)

    def drawn(uniforms: Tensor, temperature: float) -> Tensor:
        return model.sample(part.features, part.past, state, uniforms, temperature)[0]

    zero = drawn(part.uniforms, 0)
    assert torch.equal(zero, drawn(1 - part.uniforms, 0))
    assert torch.equal(zero, drawn(part.uniforms, 1e-4))


def needs_bfloat16() -> None:
    """Leave a test out on a processor that cannot compute in bfloat16."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor cannot compute in bfloat16")


def check_autocast(model: Sampler) -> None:
    """In bfloat16, probabilities are those of float32 and everything stays finite."""
    needs_bfloat16()
    model = model.float()
    some = Music(*(each.float() for each in music(model)))
    with torch.autocast("cpu", torch.bfloat16):
        for nats in (loss(model, some), log_prob(model, some)):
            assert nats.dtype == torch.float32
            assert nats[model.in_support(some.notes)].isfinite().all()
        part = some.part(0, 1)
        state = model.initial(part.past)
        notes, _ = model.sample(part.features, part.past, state, part.uniforms, 1.0)
        assert notes.shape == (BATCH, 1, KEYS)


def check_device(model: Sampler) -> None:
    """No tensor is made without a device: on a GPU it would lie elsewhere."""
    some = music(model)
    draws = random(3, 2, *some.uniforms.shape)
    with torch.device("meta"):
        nats = loss(model, some), log_prob(model, some)
        nats[0].sum().backward()
        part = some.part(0, 1)
        state = model.initial(part.past)
        notes, _ = model.sample(part.features, part.past, state, part.uniforms, 1.0)
        guesses = model.guess(*some[:2], draws)
        in_support = model.in_support(some.notes)
    found = *nats, notes, guesses, in_support
    assert {each.device.type for each in found} == {"cpu"}


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
