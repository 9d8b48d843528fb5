"""Composing speed: the hour of music (G4), of the default system and of A18.

    python bench/compose_speed.py

Both compose 120 pieces of 16 bars together, with random weights of the sizes in params.yaml
and of its notebook, which take as long as trained ones. A18 is measured against its slow form, one
piece at a time: that composes one piece in each turn, its time is multiplied by 120, and the ratio
is the median of the turns. Random weights of the default system play at nearly every step, where
trained ones rest at two steps of three, so its time here is an upper bound.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from reference_a18 import CONFIG, DECODER, SlowGenerator

from ostinato.core import devices
from ostinato.core.params import read_params
from ostinato.notes.compose.compose import (
    SEED_STEPS,
    continue_keys,
    with_finals,
)
from ostinato.notes.compose.pieces import HOUR_BAR, HOUR_BARS, HOUR_PIECES
from ostinato.notes.data.positions import Positions
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.fit.generator import config_of
from ostinato.notes.system import System

STEPS = HOUR_BARS * HOUR_BAR.bar
"""Length of a piece, the given beginning included."""


def system_of(name: str) -> System:
    """Build the default system or A18, with random weights."""
    if name == "A18":
        return System(CONFIG, DECODER).eval()
    keys = {**DECODER, "kind": "none", "decoder": {"name": "none"}}
    return System(config_of(read_params(Path("params.yaml")), 4), keys).eval()


def hour_of(name: str, device: torch.device) -> Callable[[], object]:
    """Make a function that lets a system compose an hour of music on a device."""
    torch.manual_seed(0)
    system = system_of(name).to(device)
    begun, where, uniforms = (each.to(device) for each in given(system))

    def hour() -> None:
        planned = with_finals(system, begun, where, 1.0, uniforms[:, 0, 0])
        continue_keys(system, begun, planned, 1.0, uniforms)

    return hour


def given(system: System) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make what pieces begin with, where their steps stand, and uniforms."""
    begun = (torch.rand(HOUR_PIECES, SEED_STEPS, KEYS) < 0.03).float()
    where = torch.from_numpy(Positions([HOUR_BAR], STEPS)(0, STEPS)).expand(HOUR_PIECES, -1, -1)
    return begun, where, torch.rand(HOUR_PIECES, STEPS, system.num_uniforms)


def main() -> None:
    """Compose in turns and print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    cpu = devices.prepare(options.threads, 0)
    default, hour, a18 = hour_of("default", cpu), hour_of("A18", cpu), system_of("A18")
    slow, (begun, _, uniforms) = SlowGenerator(a18.generator), given(a18)

    def alone() -> None:
        slow.compose(a18.performer.decoder, begun[0], STEPS - SEED_STEPS, uniforms[0])

    def seconds(compose: Callable[[], object]) -> float:
        start = time.perf_counter()
        compose()
        return time.perf_counter() - start

    print(f"default, {HOUR_PIECES} pieces: {seconds(default):.1f} s", flush=True)
    seconds(hour), seconds(alone)
    turns = [(seconds(hour), seconds(alone)) for _ in range(options.turns)]
    fast, one = zip(*turns, strict=True)
    print(f"A18, {HOUR_PIECES} pieces: {statistics.median(fast):.1f} s")
    print(f"A18, one at a time: {HOUR_PIECES * statistics.median(one):.1f} s")
    ratio = statistics.median(HOUR_PIECES * other / mine for mine, other in turns)
    print(f"ratio: {ratio:.1f}")


if __name__ == "__main__":
    main()
