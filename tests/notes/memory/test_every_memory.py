"""What every memory has to do."""

import importlib
import pkgutil
from typing import Any

import pytest
import remembering
from remembering import PAST, STEPS

from ostinato.notes import memory
from ostinato.notes.parts.memory import Memory

LAGS = [1, 4, 16]
HISTORY_USER = {"history_as_input": False, "local": 6, "read": 7, "aggregation": 9}
LATENCY = {"delays": [1, 3, 7], "cells": 6, "aggregation": 9}
LOOKBACK = {"lags": LAGS, "hidden": [8, 7], "clock": True}
TRANSFORMER = {"layers": 2, "width": 8, "heads": 2, "dropout": 0.0}
PARAMS: dict[str, dict[str, Any]] = {
    "none": {"local": 6, "aggregation": 9},
    "lookback": LOOKBACK,
    "lookback without clock": LOOKBACK | {"hidden": [9], "clock": False},
    "history_user": HISTORY_USER | {"lags": LAGS},
    "history_user one": HISTORY_USER | {"lags": [1]},
    "history_user unordered": HISTORY_USER | {"lags": [16, 3]},
    "history_user all": HISTORY_USER | {"lags": [{"every": 1, "to": PAST}]},
    "history_user input": HISTORY_USER | {"lags": LAGS, "history_as_input": True},
    "history_user all input": HISTORY_USER
    | {"lags": [{"every": 1, "to": 12}], "history_as_input": True},
    "capsules": {"lags": LAGS, "capsule": 6, "aggregation": 9},
    "latency": LATENCY | {"separate": False},
    "latency separate": LATENCY | {"separate": True},
    "hierarchical": {"levels": 3, "cells": 6, "aggregation": 9},
    "hierarchical two": {"levels": 2, "cells": 6, "aggregation": 9},
    "hierarchical many": {"levels": 7, "cells": 6, "aggregation": 9},
    "transformer": TRANSFORMER | {"window": STEPS},
    "transformer one": TRANSFORMER | {"window": 1},
    "transformer few": TRANSFORMER | {"window": 7},
    "transformer more": TRANSFORMER | {"window": 16},
    "transformer most": TRANSFORMER | {"window": 100},
}
"""Small memories, each under the name of its file."""

UNUSED = ["history_user one", "transformer one", "transformer most"]
"""Those in which some weights change nothing: a choice between one, what no step is far from."""


def build(name: str) -> Memory:
    module = importlib.import_module(f"{memory.__name__}.{name.split()[0]}")
    return remembering.make(module, **PARAMS[name])


def test_no_memory_is_left_out():
    files = {module.name for module in pkgutil.iter_modules(memory.__path__)}
    assert {name.split()[0] for name in PARAMS} == files


@pytest.mark.parametrize("name", PARAMS)
@pytest.mark.parametrize(
    "check",
    [
        remembering.check_parts,
        remembering.check_context,
        remembering.check_order,
        remembering.check_mixed_precision,
        remembering.check_device,
    ],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_it_is_a_memory(check, name):
    check(build(name))


@pytest.mark.parametrize("name", [name for name in PARAMS if name not in UNUSED])
def test_every_weight_learns(name):
    remembering.check_gradients(build(name))
