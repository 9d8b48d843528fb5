"""The same bytes on a busy machine: stages run beside each other, two processes for each core.

    python bench/under_load.py --runs 20

A tiny pipeline runs once on the machine as it is. Then stages of it run again and again, each as a
process in a copy of the project. In turn, a run may use all cores, has a single one, or is moved
from some cores to others all the time: what counts the cores of a machine, and divides its work by
that, rounds differently then. Trainings run with `threads: 2` and models of the default sizes.
Prints how many runs wrote other bytes than the first one.
"""

import argparse
import hashlib
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

import psutil
import tiny
import yaml

STAGES = {
    "autoencoder_evaluate": "results/autoencoder/metrics.json",
    "reconstruct": "results/reconstruct",
    "encode": "data/frames",
    "improvise": "results/improvise",
    "compose": "results/compose",
    "token_compose events": "results/token_compose/events",
}
"""What measures and composes, and where it writes to."""

TRAININGS = {
    "generator": "models/generator",
    "autoencoder": "models/autoencoder",
    "transcriber": "models/transcriber",
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
        copies = [
            project.copy(Path(work) / f"copy-{number}") for number in range(2 * os.cpu_count())
        ]
        compare(copies, STAGES, options.runs)
        for copy in copies:
            default_sizes(copy.folder / "params.yaml")
        compare(copies, TRAININGS, options.runs)


def compare(copies: list[tiny.Project], stages: dict[str, str], runs: int) -> None:
    """Run stages many times, and print how many runs wrote other bytes than the first one."""
    threads = yaml.safe_load(copies[0].read("params.yaml"))["threads"]
    free: queue.Queue[tiny.Project] = queue.Queue()
    for copy in copies:
        free.put(copy)

    def written(stage: str, way: str) -> str:
        project = free.get()
        try:
            run(project, stage, way)
            return digest(project.folder / stages[stage])
        finally:
            free.put(project)

    with ThreadPoolExecutor(len(copies)) as pool:
        ways = list(islice(cycle(CORES), runs))
        for stage in stages:
            found = list(pool.map(written, [stage] * runs, ways))
            others = sum(each != found[0] for each in found)
            count = Counter(ways)
            counts = f"{count['one core']} | {count['changing cores']}"
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
        raise RuntimeError(said)


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
    params |= {section: default[section] for section in ("decoder", "generator", "token_model")}
    trained = [params[name] for name in ("generator", "autoencoder", "transcriber")]
    creator = params["score_creators"][params["score_creator"]["kind"]]
    for section in (*trained, creator, *params["token_model"].values()):
        section["training"] |= {"max_steps": STEPS, "validate_every": STEPS // 2}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


if __name__ == "__main__":
    main()
