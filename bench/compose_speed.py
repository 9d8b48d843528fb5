"""Composing speed: the hour of music (G4), all 120 pieces together against one at a time.

    python bench/compose_speed.py

Both use the same models, with random weights of the sizes in params.yaml, which take as long as
trained ones. The slow form composes one piece in each turn, and its time is multiplied by 120; the
two take turns and the ratio is the median.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from reference_a18 import CONFIG, DECODER, SlowGenerator

from ostinato.core import training
from ostinato.notes.compose.compose import HOUR_PIECES, HOUR_STEPS, SEED_STEPS, continue_keys
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.system import System


def main() -> None:
    """Compose both ways in turn and print seconds and ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    training.prepare(options.threads, 0)
    system = System(CONFIG, DECODER)
    begun = (torch.rand(HOUR_PIECES, SEED_STEPS, KEYS) < 0.03).float()
    shape = (HOUR_PIECES, SEED_STEPS + HOUR_STEPS, system.draws)
    uniforms = torch.rand(shape)

    slow = SlowGenerator(system.generator)

    def together() -> None:
        continue_keys(system, begun, HOUR_STEPS, 1.0, uniforms)

    def alone() -> None:
        slow.compose(system.performer.decoder, begun[0], HOUR_STEPS, uniforms[0])

    def seconds(compose: Callable[[], None]) -> float:
        start = time.perf_counter()
        compose()
        return time.perf_counter() - start

    seconds(together), seconds(alone)
    fast, one = zip(
        *((seconds(together), seconds(alone)) for _ in range(options.turns)), strict=True
    )
    print(f"all {HOUR_PIECES} pieces together: {statistics.median(fast):.1f} s")
    print(f"one at a time: {HOUR_PIECES * statistics.median(one):.1f} s")
    ratios = (HOUR_PIECES * slow / fast for slow, fast in zip(one, fast, strict=True))
    print(f"ratio: {statistics.median(ratios):.1f}")


if __name__ == "__main__":
    main()
