"""What every decoder has to do."""

import importlib
import pkgutil
from typing import Any

import decoding
import pytest

from ostinato.notes import decoders
from ostinato.notes.parts.decoder import Decoder

PARAMS: dict[str, dict[str, Any]] = {
    "none": {},
    "lstm": {"hidden": 8},
    "rbm": {"hidden": 5, "units": 4},
    "ordered": {"hidden": 6, "max_notes": 12},
    "ordered many": {"hidden": 6, "max_notes": 15},
}
"""Small decoders, each under the name of its file."""


def build(name: str) -> Decoder:
    module = importlib.import_module(f"{decoders.__name__}.{name.split()[0]}")
    return decoding.build(module, **PARAMS[name])


def test_no_decoder_is_left_out():
    files = {module.name for module in pkgutil.iter_modules(decoders.__path__)}
    assert {name.split()[0] for name in PARAMS} == files


@pytest.mark.parametrize("name", PARAMS)
@pytest.mark.parametrize(
    "check",
    [
        decoding.check_steps,
        decoding.check_sampling_is_followed,
        decoding.check_samples,
        decoding.check_guesses,
        decoding.check_likeliest,
        decoding.check_device,
    ],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_it_is_a_decoder(check, name):
    check(build(name))


@pytest.mark.parametrize("name", [name for name in PARAMS if name != "none"])
@pytest.mark.parametrize(
    "check",
    [
        decoding.check_gradients,
        decoding.check_mask,
        decoding.check_shares,
        decoding.check_autocast,
    ],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_it_learns(check, name):
    check(build(name))


@pytest.mark.parametrize("name", PARAMS)
def test_it_says_whether_its_probabilities_are_exact(name):
    assert build(name).exact == (name != "rbm")
