"""The same bytes on a busy machine: stages run again and again beside twice as many busy processes.

    python bench/under_load.py --runs 20

A tiny pipeline runs once on the machine as it is. Then stages of it run as processes of their own,
while two processes for each core compute without end. In turn, a run may use all cores, has a
single one, or is moved from one set of cores to another all the time: what counts the cores of a
machine, and divides its work by that, rounds differently then. The trainings run with `threads: 2`
and models of the default sizes. Prints how many runs wrote other bytes than the first one.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

import psutil
import tiny
import yaml

STAGES = {
    "compose": "results/compose",
    "autoencoder_evaluate": "results/autoencoder/metrics.json",
    "reconstruct": "results/reconstruct",
    "encode": "data/frames",
    "improvise": "results/improvise",
    "token_compose events": "results/token_compose/events",
}
"""What measures and composes, and where it writes to."""

TRAININGS = {
    "generator": "models/generator",
    "autoencoder": "models/autoencoder",
    "score_creator": "models/score_creator",
    "token_model events": "models/token_model/events",
}

SIZES = ("memory", "samplers", "decoders", "autoencoders", "score_creators", "repeating")
"""Sections of params.yaml that hold the sizes of models."""

STEPS = 6
"""Of each training."""

CORES = ("all cores", "one core", "changing cores")


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        project = tiny.make(Path(work) / "project")
        project.run("dvc", "repro")
        print("| stage | threads | runs | on one core | on changing cores | other bytes |")
        print("|---|---|---|---|---|---|")
        with busy(2 * os.cpu_count()):
            compare(project, STAGES, options.runs)
            default_sizes(project.folder / "params.yaml")
            compare(project, TRAININGS, options.runs)


def compare(project: tiny.Project, stages: dict[str, str], runs: int) -> None:
    """Run stages many times, and print how many runs wrote other bytes than the first one."""
    threads = yaml.safe_load(project.read("params.yaml"))["threads"]
    for stage, output in stages.items():
        written, ways = [], Counter()
        for way, _ in zip(cycle(CORES), range(runs), strict=False):
            run(project, stage, way)
            written.append(digest(project.folder / output))
            ways[way] += 1
        others = sum(each != written[0] for each in written)
        counts = f"{ways['one core']} | {ways['changing cores']}"
        print(f"| {stage} | {threads} | {runs} | {counts} | {others} |", flush=True)


def run(project: tiny.Project, stage: str, way: str) -> None:
    """Run the script of a stage on some cores, from nothing."""
    shutil.rmtree(project.env["OSTINATO_CACHE"], ignore_errors=True)
    cores = sorted(os.sched_getaffinity(0))
    name, *arguments = stage.split()
    process = subprocess.Popen(
        [sys.executable, f"stages/{name}.py", *arguments],
        cwd=project.folder,
        env=project.env | {"PYTHONPATH": "src"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores[:1] if way == "one core" else cores),
    )
    ended = threading.Event()
    mover = threading.Thread(target=move, args=(process.pid, cores, ended))
    if way == "changing cores":
        mover.start()
    said = process.communicate()[1]
    ended.set()
    if process.returncode:
        sys.exit(said)


def move(process: int, cores: list[int], ended: threading.Event) -> None:
    """Move all threads of a process to other cores, ten times a second, until it has ended."""
    rng = random.Random(0)
    while not ended.wait(0.1):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            for thread in psutil.Process(process).threads():
                os.sched_setaffinity(thread.id, rng.sample(cores, rng.randint(1, len(cores))))


def digest(path: Path) -> str:
    """Hash a file, or all files of a folder."""
    found = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file():
            found.update(f"{each.relative_to(path)}\0".encode() + each.read_bytes())
    return found.hexdigest()


def default_sizes(path: Path) -> None:
    """Give the models in a params.yaml the default sizes, and two threads, for a few steps."""
    default = yaml.safe_load((tiny.ROOT / "params.yaml").read_text(encoding="utf-8"))
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params |= {section: default[section] for section in SIZES} | {"threads": 2}
    params["generator"] = default["generator"]
    params["token_model"] = default["token_model"]
    trained = [params[name] for name in ("decoder", "generator", "autoencoder", "score_creator")]
    for section in (*trained, *params["token_model"].values()):
        section["training"] |= {"max_steps": STEPS, "validate_every": STEPS // 2}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many processes computing meanwhile."""
    processes = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _compute() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
