"""Speed of the default system, now and before: composing, the stage evaluate, a training step.

    git worktree add ../before d58732d
    (cd ../before && dvc pull --allow-missing && dvc repro evaluate)
    python bench/default_speed.py --before ../before

Each checkout runs its own code on its own data and models, so run `dvc repro` in this one first.
They take turns, a process each time. A ratio is the median over the turns. Composing is 16 pieces
of 16 bars, without writing them; the stage is measured as dvc runs it, its start included.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ostinato.core import devices
from ostinato.core.params import read_params
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.compose.compose import compose
from ostinato.notes.data.fragments import Batches
from ostinato.notes.data.songs import Songs

PIECES, BARS = 16, 16
TRAINED = 9
"""Training steps, whose median counts; two come before that do not count."""


def composing() -> float:
    """Seconds that composing takes."""
    params = read_params(Path("params.yaml"))
    devices.prepare(params.threads, 0)
    writer = system.load(Path("models/generator"), Path("models/decoder"))
    representation = getattr(writer, "representation", "onset")
    songs = Songs(Path("data/dataset"), representation, velocities=True)
    settings = params.compose.model_copy(update={"learning": "none"})
    # Before, the number of new steps was said; the beginning has a bar.
    length = BARS if hasattr(params.compose, "bars") else 16 * (BARS - 1)
    return timed(lambda: compose(writer, songs, PIECES, length, settings, derive(1, "compose")))


def training_step() -> float:
    """Seconds that a training step of the generator takes."""
    params = read_params(Path("params.yaml"))
    devices.prepare(params.threads, 0)
    settings = params.generator.training
    model = system.load(Path("models/generator"), Path("models/decoder")).generator.train()
    # The names before and now.
    context = getattr(model, "reach", 0) or model.context_length
    uniforms = getattr(model, "draws", 0) or model.num_uniforms
    songs = Songs(Path("data/dataset"), params.dataset.representation)
    table, steps = np.load("data/fragments/fragments.npy"), params.augment.steps
    # What is found once in each song, and was found in each batch before.
    annotate = getattr(model.sampler, "annotate", None)
    options = settings.batch, steps, context, model.keys, 1, *([annotate] if annotate else [])
    batches = Batches(songs, table, *options)
    for number in range(TRAINED + 2):
        batches(number)
    optimizer = torch.optim.AdamW(model.parameters())

    def step(number: int) -> None:
        batch = batches(number)
        loss = model(batch, torch.rand(*batch.mask.shape, uniforms))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds = [timed(lambda n=number: step(n)) for number in range(TRAINED + 2)]
    return statistics.median(seconds[2:])


def evaluating() -> float:
    """Seconds that the stage evaluate takes."""
    command = [sys.executable, "stages/evaluate.py"]
    return timed(lambda: subprocess.run(command, check=True, stderr=subprocess.DEVNULL))


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


WHAT = {"composing": composing, "evaluate": evaluating, "training step": training_step}


def main() -> None:
    """Measure both checkouts in turns and print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="folder of an earlier checkout")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--what", choices=WHAT, nargs="*", default=list(WHAT))
    parser.add_argument("--worker", choices=WHAT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(WHAT[options.worker]())
        return
    folders = {"now": Path.cwd()} | ({"before": options.before} if options.before else {})
    for what in options.what:
        seconds: dict[str, list[float]] = {name: [] for name in folders}
        for _ in range(options.turns):
            for name, folder in folders.items():
                seconds[name].append(measured(folder, what))
        found = [f"{name} {statistics.median(taken):.3f} s" for name, taken in seconds.items()]
        if options.before:
            pairs = zip(seconds["before"], seconds["now"], strict=True)
            found.append(f"ratio {statistics.median(old / new for old, new in pairs):.2f}")
        print(f"{what}: {', '.join(found)}", flush=True)


def measured(folder: Path, what: str) -> float:
    """Run a measurement with the code of a checkout."""
    command = [sys.executable, str(Path(__file__).absolute()), "--worker", what]
    env = os.environ | {"PYTHONPATH": str(folder.absolute() / "src")}
    done = subprocess.run(
        command, cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
