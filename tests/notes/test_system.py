import copy

import pytest
import sampling
import torch
from making import CONFIG, DECODER, positions

from ostinato.core.errors import UserError
from ostinato.core.models import write_model
from ostinato.notes import system
from ostinato.notes.data.fragments import Batch
from ostinato.notes.system import System

STEPS = 12


@pytest.fixture(scope="module", params=["lstm", "dynamics"])
def model(request) -> System:
    torch.manual_seed(0)
    velocity = {"name": request.param, "hidden": 5}
    return System(CONFIG, DECODER | {"velocity": velocity}).double()


def batch(model: System) -> tuple[Batch, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    played = torch.rand(2, STEPS, 88, generator=generator, dtype=torch.float64)
    velocities = torch.where(played < 0.03, (1000 * played + 20).round() / 128, 0)
    past = torch.zeros(2, model.context_length, 88).double()
    uniforms = torch.rand(2, STEPS, model.num_uniforms, generator=generator).double()
    return Batch(past, velocities, torch.ones(2, STEPS), positions(0, 5, steps=STEPS)), uniforms


def test_a_whole_sequence_is_the_same_as_its_steps(model):
    given, uniforms = batch(model)
    begin = model.initial(given.past, given.positions)
    whole, end = model.log_prob(given.notes, begin, uniforms)
    state, parts = begin, []
    for step in range(STEPS):
        now = slice(step, step + 1)
        value, state = model.log_prob(given.notes[:, now], state, uniforms[:, now])
        parts.append(value)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, end)
    torch.testing.assert_close(model.follow(given.notes, begin, uniforms), end)


def test_keys_and_classes_together_are_the_two_models(model):
    given, uniforms = batch(model)
    whole, _ = model.log_prob(given.notes, model.initial(given.past, given.positions), uniforms)
    keys = (given.notes > 0).double()
    decoder, generator = model.performer.decoder, model.generator
    notes, past = decoder.classes(keys), decoder.classes(given.past)
    for_notes, for_keys = model.split(uniforms)
    of_notes, _ = generator.log_prob(notes, generator.initial(past, given.positions), for_notes)
    chance = for_keys[..., : decoder.num_uniforms]
    of_keys, _ = decoder.log_prob(keys, decoder.initial(given.past), chance)
    torch.testing.assert_close(whole, of_notes + of_keys)


def test_its_loss_is_the_sum_of_what_its_parts_are_trained_on(model):
    given, uniforms = batch(model)
    loss = model(given, uniforms)
    loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    silent = copy.deepcopy(model)
    silent.performer.velocity = None
    error = model.performer.velocity(given.past, given.notes, given.mask, given.positions)
    torch.testing.assert_close(loss, silent(given, uniforms) + error)


def test_models_that_do_not_belong_together_are_one_line(tmp_path):
    torch.manual_seed(0)
    decoder = DECODER | {"velocity": {"name": "lstm", "hidden": 5}}
    model = System(CONFIG, decoder)
    write_model(tmp_path / "generator", model.generator, {"kind": "generator"} | CONFIG)
    write_model(tmp_path / "decoder", model.performer, decoder)
    found = system.load(tmp_path / "generator", tmp_path / "decoder")
    rounded = {name: weight.half().float() for name, weight in model.state_dict().items()}
    assert all(torch.equal(value, rounded[name]) for name, value in found.state_dict().items())
    write_model(tmp_path / "holding", model.performer, decoder | {"representation": "holding"})
    with pytest.raises(UserError, match=r"has the representation onset, .*holding holding"):
        system.load(tmp_path / "generator", tmp_path / "holding")
    none = {"kind": "none", "decoder": {"name": "none"}, "velocity": None}
    write_model(tmp_path / "none", torch.nn.Module(), none | {"representation": "onset"})
    with pytest.raises(UserError, match=r"writes 12 keys and wants decoder.kind another"):
        system.load(tmp_path / "generator", tmp_path / "none")
    del model.generator.sampler
    write_model(tmp_path / "old", model.generator, {"kind": "generator"} | CONFIG)
    with pytest.raises(UserError, match="old holds another kind of model, or"):
        system.load(tmp_path / "old", tmp_path / "decoder")


def test_nothing_is_made_without_a_device(model):
    """Such a tensor is on ``meta`` here, and cannot be used with the rest."""
    given, uniforms = batch(model)
    chance = torch.stack([torch.stack([uniforms, uniforms])] * 2)
    with torch.device("meta"):
        begin = model.initial(given.past, given.positions)
        loss = model(given, uniforms)
        log_prob, _ = model.log_prob(given.notes, begin, uniforms)
        step, _ = model.step(begin, uniforms[:, :1], 0.9)
        guesses = model.guess(given, chance)
    assert not any(tensor.is_meta for tensor in (loss, log_prob, step, guesses))


def test_guesses_are_what_it_would_draw_at_each_step(model):
    given, _ = batch(model)
    chance = sampling.random(2, 2, *given.mask.shape, model.num_uniforms, seed=4)
    guesses = model.guess(given, chance)
    for (hidden, uniforms), guess in zip(chance, guesses, strict=True):
        state = model.initial(given.past, given.positions)
        for step in range(STEPS):
            now = slice(step, step + 1)
            drawn, _ = model.step(state, uniforms[:, now], 1.0)
            assert torch.equal(drawn > 0, guess[:, now] > 0)
            _, state = model.log_prob(given.notes[:, now], state, hidden[:, now])
