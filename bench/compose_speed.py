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

from ostinato.core import training
from ostinato.core.params import read_params
from ostinato.notes.compose.compose import (
    HOUR_BAR,
    HOUR_BARS,
    HOUR_PIECES,
    SEED_STEPS,
    continue_keys,
    with_finals,
)
from ostinato.notes.data.positions import Positions
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.fit.generator import config_of
from ostinato.notes.system import System

STEPS = HOUR_BARS * HOUR_BAR.bar
"""Length of a piece, the given beginning included."""


def main() -> None:
    """Compose in turns and print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    training.prepare(options.threads, 0)
    params = read_params(Path("params.yaml"))
    keys = {**DECODER, "kind": "none", "decoder": {"name": "none"}}
    default, a18 = System(config_of(params, 4), keys).eval(), System(CONFIG, DECODER).eval()
    begun = (torch.rand(HOUR_PIECES, SEED_STEPS, KEYS) < 0.03).float()
    where = torch.from_numpy(Positions([HOUR_BAR], STEPS)(0, STEPS)).expand(HOUR_PIECES, -1, -1)
    slow = SlowGenerator(a18.generator)
    uniforms = {
        system: torch.rand(HOUR_PIECES, STEPS, system.num_uniforms) for system in (default, a18)
    }

    def hour(system: System) -> None:
        chance = uniforms[system][:, 0, 0]
        planned = with_finals(system, begun, where, 1.0, chance)
        continue_keys(system, begun, planned, 1.0, uniforms[system])

    def alone() -> None:
        slow.compose(a18.performer.decoder, begun[0], STEPS - SEED_STEPS, uniforms[a18][0])

    def seconds(compose: Callable[[], None]) -> float:
        start = time.perf_counter()
        compose()
        return time.perf_counter() - start

    print(f"default, {HOUR_PIECES} pieces: {seconds(lambda: hour(default)):.1f} s", flush=True)
    seconds(lambda: hour(a18)), seconds(alone)
    turns = [(seconds(lambda: hour(a18)), seconds(alone)) for _ in range(options.turns)]
    fast, one = zip(*turns, strict=True)
    print(f"A18, {HOUR_PIECES} pieces: {statistics.median(fast):.1f} s")
    print(f"A18, one at a time: {HOUR_PIECES * statistics.median(one):.1f} s")
    ratio = statistics.median(HOUR_PIECES * other / mine for mine, other in turns)
    print(f"ratio: {ratio:.1f}")


if __name__ == "__main__":
    main()
