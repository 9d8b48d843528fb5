"""Speed of a training in two processes of one thread each, beside one process of two threads.

    dvc repro augment
    python bench/processes_speed.py

Both train the default generator on the CPU by its stage, in a copy of the project with caches of
its own, and take turns. A step's time is what a run of many steps takes longer than one of few, so
that the start of processes, and validation, do not count. The ratio is the median over the turns.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from ostinato.experiments import merged

ROOT = Path(__file__).parents[1]
FEW, MANY = 4, 24
"""Steps of the two runs that are compared."""
WAYS = {"1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}


def seconds(folder: Path, steps: int, processes: int, threads: int) -> float:
    """Measure how long a training of so many steps takes."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    own = {"max_steps": steps, "validate_every": steps, "devices": processes}
    changes = {"threads": threads, "device": "cpu", "generator": {"training": own}}
    (folder / "params.yaml").write_text(yaml.safe_dump(merged(params, changes)), encoding="utf-8")
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, ROOT / "stages/generator.py"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OSTINATO_CACHE": cache},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
        return time.perf_counter() - start


def main() -> None:
    """Let both take turns, and print seconds a step and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name in ("dataset", "fragments"):
            shutil.copytree(ROOT / "data" / name, folder / "data" / name)
        (folder / "data/start").mkdir()
        for _ in range(options.turns):
            for way, numbers in WAYS.items():
                few, many = (seconds(folder, steps, *numbers) for steps in (FEW, MANY))
                taken[way].append((many - few) / (MANY - FEW))
    for way, found in taken.items():
        print(f"{way}: {statistics.median(found):.3f} s a step")
    one, two = taken.values()
    ratio = statistics.median(a / b for a, b in zip(one, two, strict=True))
    print(f"two processes are faster by {ratio:.2f}")


if __name__ == "__main__":
    main()
