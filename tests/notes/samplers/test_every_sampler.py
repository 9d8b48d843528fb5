"""What every sampler has to do, without and with a gate before it."""

import importlib
import pkgutil
from typing import Any

import pytest
import sampling
from sampling import KEYS, SETS

from ostinato.notes import samplers
from ostinato.notes.parts.sampler import Sampler

CONDITIONAL = {"voices": 3, "stop_gradient": False, "pause_loss": True, "double_loss": True}
BANNING = {"voices": 3, "hidden": 6}
TIED = {
    "cells": 4,
    "hidden": 5,
    "radius": 2,
    "match_radius": 1,
    "dropout": 0.0,
    "input_dropout": 0.0,
}
PARAMS: dict[str, dict[str, Any]] = {
    "independent": {},
    "stacked": {"passes": 3, "hidden": 6},
    "voices": {"voices": 3, "objective": "marginals"},
    "voices union": {"voices": 3, "objective": "union"},
    "voices alone": {"voices": 1, "objective": "union"},
    "voices many": {"voices": 5, "objective": "union"},
    "conditional": CONDITIONAL | {"hidden": 6, "objective": "marginals"},
    "conditional linear": CONDITIONAL | {"hidden": 0, "objective": "marginals"},
    "conditional stopped": CONDITIONAL
    | {"hidden": 6, "objective": "marginals", "stop_gradient": True},
    "conditional union": CONDITIONAL | {"hidden": 6, "objective": "union"},
    "conditional negatives": CONDITIONAL | {"hidden": 6, "objective": "negatives"},
    "classes all": {"hidden": [6, 8], "sets": "all"},
    "classes five": {"hidden": [6], "sets": "five"},
    "classes seen": {"hidden": [6, 8], "sets": "seen"},
    "banning bound": BANNING | {"shared": True, "objective": "bound"},
    "banning marginals": BANNING | {"shared": True, "objective": "marginals"},
    "banning a_posteriori": BANNING | {"shared": False, "objective": "a_posteriori"},
    "ordered": {"hidden": 6, "max_notes": 3},
    "ordered many": {"hidden": 6, "max_notes": 6},
    "ordered lengths": {"hidden": 6, "max_notes": 3, "lengths": True},
    "linear": {},
    "tied": TIED | {"match_steps": 5},
    "tied without matches": TIED | {"match_steps": 0},
    "tied lengths": TIED | {"match_steps": 5, "lengths": True},
}
"""Small samplers, each under the name of its file."""

EXACT = [name for name in PARAMS if name.split()[0] not in ("conditional", "banning")]
LIMITED = [
    name
    for name in PARAMS
    if name not in ("independent", "voices many", "classes all", "classes five", "ordered many")
    and name.split()[0] != "tied"
]
"""Those that cannot draw all keys at once."""

every = pytest.mark.parametrize("name", PARAMS)
gates = pytest.mark.parametrize("lags", [None, [1, 3]], ids=["alone", "gate"])


def build(name: str, lags: list[int] | None = None) -> Sampler:
    module = importlib.import_module(f"{samplers.__name__}.{name.split()[0]}")
    scale = 2 if name.startswith(("ordered", "tied")) else 4
    model = sampling.build(module, lags, scale, **PARAMS[name])
    drawing = model.sampler if lags else model
    if hasattr(drawing, "learn_sets"):
        drawing.learn_sets(SETS[[0, 1, 2, 4, 5, 6, 8, 9, 10]])
    if name == "linear":  # so that each key and silence have a probability everywhere
        drawing.keys.weight.data /= 40
        drawing.keys.bias.data.fill_(0.15)
    if name.startswith("tied"):  # so that keys sound at all
        drawing.sounds.bias.data.zero_()
    return model


def test_no_sampler_is_left_out():
    files = {module.name for module in pkgutil.iter_modules(samplers.__path__)}
    assert {name.split()[0] for name in PARAMS} == files


@gates
@pytest.mark.parametrize("name", EXACT)
def test_probabilities_are_exact(name, lags):
    model = build(name, lags)
    assert model.exact
    sampling.check_exact(model)


@gates
@every
@pytest.mark.parametrize(
    "check",
    [
        sampling.check_steps,
        sampling.check_order,
        sampling.check_guesses,
        sampling.check_drawing_goes_on,
        sampling.check_gradients,
        sampling.check_log_prob_gradients,
        sampling.check_cold,
        sampling.check_autocast,
        sampling.check_device,
    ],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_it_is_a_sampler(check, name, lags):
    check(build(name, lags))


@every
def test_what_it_cannot_draw(name):
    model = build(name)
    assert model.exact == (name in EXACT)
    every = sampling.sets(model)
    assert model.in_support(every[0])
    assert bool(model.in_support(every[-1])) == (name not in LIMITED)
    assert every[-1].abs().sum() == KEYS
