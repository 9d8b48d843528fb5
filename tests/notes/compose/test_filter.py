"""Writing around what is given: with a toy alphabet, all pieces can be enumerated."""

import itertools
import math

import numpy as np
import pytest
import torch
from making import positions

from ostinato.notes.compose import filter as smc
from ostinato.notes.compose.filter import NothingFits, Particles, write_around
from ostinato.notes.data.positions import FINAL, UNKNOWN
from ostinato.notes.generator import Generator
from ostinato.notes.parts.given import HELD, SILENT, STRUCK, Given

KEYS, STEPS = 2, 3
SAMPLERS = {
    "tied": {
        "name": "tied", "cells": 4, "hidden": 5, "radius": 2, "match_steps": 8, "match_radius": 1,
        "dropout": 0.0, "input_dropout": 0.0,
    },
    "ordered": {"name": "ordered", "hidden": 6, "max_notes": 2},
}  # fmt: skip
MEMORY = {"name": "none", "local": 3, "aggregation": 4}


def generator(sampler: str = "tied", metre: bool = True, memory: dict = MEMORY) -> Generator:
    """One in float64, with random weights, that often repeats."""
    torch.manual_seed(4)
    config = {
        "keys": KEYS, "representation": "notes", "metre": metre, "memory": memory,
        "sampler": SAMPLERS[sampler], "repeating": {"lags": [1, 2], "hidden": 3},
    }  # fmt: skip
    model = Generator(config).double().eval()
    for weight in model.parameters():
        weight.data = 0.8 * torch.randn_like(weight) / math.sqrt(max(weight.shape[-1], 1))
    return model


def plan(steps: int = STEPS) -> torch.Tensor:
    found = positions(0, steps=steps)[0].clone()
    found[..., FINAL] = UNKNOWN
    return found


def melody(does: str) -> list[Given]:
    """The highest key: "x" is struck, "-" is held, "." is not known; all are struck: "X"."""
    given = []
    for each in does:
        allowed = torch.ones(KEYS, 3, dtype=torch.bool)
        if each == "X":
            allowed[:] = torch.tensor([False, True, False])
        elif each != ".":
            allowed[-1] = False
            allowed[-1, {"x": STRUCK, "-": HELD, "0": SILENT}[each]] = True
        given.append(Given(allowed))
    return given


def every_piece(steps: int = STEPS) -> torch.Tensor:
    """All pieces: Tensor[N, steps, KEYS]."""
    sets = torch.tensor(list(itertools.product([0.0, 1.0, -1.0], repeat=KEYS)))
    which = torch.cartesian_prod(*[torch.arange(len(sets))] * steps)
    return sets[which].double()


def posterior(model: Generator, given: list[Given]) -> tuple[torch.Tensor, torch.Tensor, float]:
    """All pieces that contain what is given, their probabilities, and that of what is given.

    What rests cost makes both smaller.
    """
    pieces = every_piece(len(given))
    fits = torch.stack([each.fits(pieces[:, step]) for step, each in enumerate(given)]).all(0)
    pieces = pieces[fits]
    total = torch.zeros(len(pieces), dtype=torch.float64)
    for final in range(12) if model.knows_final else [UNKNOWN]:
        where = plan(len(given)).repeat(len(pieces), 1, 1)
        where[..., FINAL] = final
        silence = pieces.new_zeros(len(pieces), model.context_length, KEYS)
        unused = pieces.new_zeros(*pieces.shape[:2], model.num_uniforms)
        nats, _ = model.log_prob(pieces, model.initial(silence, where), unused)
        total += nats.sum(1).exp()
    for step, each in enumerate(given):
        total *= (-each.price(pieces[:, step])).exp()
    possible = total > 0
    return pieces[possible], total[possible] / total.sum(), total.sum().item()


def apart(model: Generator, given: list[Given], particles: int, count: int = 800) -> float:
    """Total variation between what is written and the true distribution."""
    pieces, true, _ = posterior(model, given)
    written = write_around(model, given, plan(len(given)), count, particles, 1).notes.double()
    places = {tuple(piece.flatten().tolist()): i for i, piece in enumerate(pieces)}
    drawn = torch.zeros(len(pieces), dtype=torch.float64)
    for piece in written:
        drawn[places[tuple(piece.flatten().tolist())]] += 1 / count
    return (drawn - true).abs().sum().item() / 2


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("does", ["x-x", "..x", "X.X"])
def test_more_particles_come_nearer_to_the_true_distribution(sampler, does):
    """A melody is given, or what follows a gap."""
    model, given = generator(sampler), melody(does)
    distances = [apart(model, given, particles) for particles in (1, 64)]
    # As far as 800 pieces from the true distribution are apart from it.
    true = posterior(model, given)[1]
    chance = (true * (1 - true) / 800).sqrt().sum().item() * math.sqrt(2 / math.pi) / 2
    assert distances[1] < distances[0] / 2
    assert distances[1] < chance + 0.05


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("does", "limits"),
    [
        ("x-0", {}),
        (".XX", {}),
        ("x-.", {"most": 1}),
        ("...", {"above": 0}),
        ("x..", {"most": 2, "rest": 0.7, "strike": 0.4}),
    ],
)
def test_the_estimate_of_the_evidence_is_unbiased(sampler, does, limits):
    model, given = generator(sampler), [each._replace(**limits) for each in melody(does)]
    true = posterior(model, given)[2]
    found = write_around(model, given, plan(), 2000, 3, 2).evidence.exp()
    error = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(true, abs=4 * error)
    assert error < true / 10


def test_a_final_that_is_known_is_evidence_too():
    model, given, where = generator(), melody("XXX"), plan()
    nats = []
    for final in range(12):
        where[..., FINAL] = final
        nats.append(write_around(model, given, where, 1, 2, 1).evidence.item())
    assert np.exp(nats).sum() == pytest.approx(posterior(model, given)[2])


def test_pieces_are_the_same_however_many_are_drawn_at_once(monkeypatch):
    model, given = generator(), melody("x.x")
    at_once = write_around(model, given, plan(), 5, 4, 1, patience=4)
    monkeypatch.setattr(smc, "MOST", 4 * 8 * 4)  # enough for four pieces at a time
    few = write_around(model, given, plan(), 5, 4, 1, patience=4)
    torch.testing.assert_close(few, at_once)


def test_a_final_that_is_likely_counts_no_more_than_others():
    model, given = generator("tied"), melody("xx0")
    with torch.no_grad():  # the final matters
        model.sampler.sampler.degree.weight *= 30
    true = posterior(model, given)[2]
    with_each = []
    for final in range(12):
        where = plan()
        where[..., FINAL] = final
        with_each.append(write_around(model, given, where, 200, 8, 1).evidence.exp().mean().item())
    likely = int(np.argmax(with_each))
    # With it as often as the particles have it, the estimate would be far too large.
    assert (max(with_each) + np.mean(with_each)) / 2 > 1.5 * np.mean(with_each)
    found = write_around(model, given, plan(), 2000, 24, 2, likely=likely).evidence.exp()
    error = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(true, abs=4 * error)
    assert error < true / 20


@pytest.mark.parametrize(
    "memory",
    [
        {"name": "lookback", "lags": [1, 2], "hidden": [4], "clock": False},
        {"name": "capsules", "lags": [1, 2], "capsule": 2, "aggregation": 4},
        {"name": "latency", "delays": [1, 2], "cells": 2, "separate": True, "aggregation": 4},
        {"name": "hierarchical", "levels": 2, "cells": 4, "aggregation": 4},
        {"name": "transformer", "layers": 1, "width": 4, "heads": 2, "window": 4, "dropout": 0.0},
        {
            "name": "history_user", "lags": [1, 2], "history_as_input": True, "local": 3, "read": 3,
            "aggregation": 4,
        },
    ],
    ids=lambda memory: memory["name"],
)  # fmt: skip
def test_particles_keep_their_own_past_in_every_memory(memory):
    """The state of each is the one that its notes lead to."""
    model, given = generator("tied", memory=memory), melody("x.-x..x.")
    swarm, where = Particles(model, plan(9), 2, 16, 1), plan(9)
    with torch.inference_mode():
        for each in given:
            swarm.draw(each, 1.0)
        pasts = len(swarm.state.past)
        notes, finals = swarm.traced(torch.arange(pasts))
        where = where.repeat(pasts, 1, 1)
        where[..., FINAL] = finals[:, None]
        begin = model.initial(notes.new_zeros(pasts, model.context_length, KEYS), where)
        unused = notes.new_zeros(pasts, 8, model.num_uniforms)
        _, state = model.log_prob(notes, begin, unused)
        following = torch.tensor([[[1.0, 0.0]]]).double().expand(pasts, -1, -1)
        found, expected = (
            model.log_prob(following, each, unused[:, :1])[0] for each in (swarm.state, state)
        )
    assert pasts > 10
    assert len(found.unique()) > 10
    torch.testing.assert_close(found, expected)


def test_what_is_new_is_the_more_expected_the_lower_the_temperature():
    model, given, where = generator(), melody("x..."), plan(4)
    nats = []
    for temperature in (2.0, 1.0, 0.3):
        notes = write_around(model, given, where, 300, 8, 1, temperature).notes
        begin = model.initial(
            notes.new_zeros(300, model.context_length, KEYS), where.repeat(300, 1, 1)
        )
        unused = notes.new_zeros(300, 4, model.num_uniforms)
        nats.append(model.log_prob(notes, begin, unused)[0].sum(1).mean().item())
    assert nats[0] < nats[1] < nats[2]


def test_what_cannot_be_written_is_said():
    model = generator("ordered", metre=False)
    silent = torch.zeros(KEYS, 3, dtype=torch.bool)
    silent[:, SILENT] = True
    held = silent.clone()
    held[0] = torch.tensor([False, False, True])
    with pytest.raises(NothingFits) as error:
        write_around(model, [*melody("."), Given(silent), Given(held)], plan(), 1, 4, 1)
    assert error.value.step == 2


def test_where_hardly_any_particle_fits_more_are_drawn():
    model, given = generator("ordered"), melody("x..x")
    for weight in model.parameters():
        weight.data *= 3  # some pasts explain what is given much better than others
    few, many = (
        write_around(model, given, plan(4), 50, 4, 1, patience=patience) for patience in (1, 64)
    )
    assert (few.effective < 2).sum() > 5
    assert (many.effective < 2).sum() == 0


@pytest.mark.parametrize("does", ["x..", "X.X"])
def test_pieces_end_on_the_final_that_is_given(does):
    where = plan()
    assert len(write_around(generator(), melody(does), where, 30, 12, 1).finals.unique()) > 1
    where[:, FINAL] = 5
    assert write_around(generator(), melody(does), where, 30, 12, 1).finals.tolist() == [5] * 30
