"""Time, memory and disk that corpora of many songs take, from a folder of MIDI files to fragments.

    python bench/scale.py [SONGS ...] [--stages STAGE ...]

For each number of songs, so many small MIDI files are made up, a hundred in a folder, and a clone
of the project as it is committed runs the stages through `dvc repro`, with caches of its own. The
tables that are printed say, of each stage, seconds, seconds of computing on all cores together, the
largest memory of DVC, of the stage's first process and of the largest of its others, and megabytes
that it wrote; then what DVC takes for the songs themselves, and when there is nothing to do. Memory
is what a process cannot give back, so without files that are mapped. 100,000 songs take an hour or
more on two cores, and 5 GB of disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import yaml

from ostinato.core.workers import in_parallel
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo, tidy

ROOT = Path(__file__).parents[1]
SONGS, STAGES = [1_000, 10_000, 100_000], ["corpus", "dataset", "augment"]
IN_FOLDER = 100
BARS = 8, 24
BETWEEN = 0.2
"""Seconds between two looks at the memory."""

Row = list[str]
Used = dict[str, float]
"""Seconds, ``wall`` and ``cpu``; megabytes of ``dvc``, the ``first`` and ``other`` processes."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", nargs="*", type=int, default=SONGS)
    parser.add_argument("--stages", nargs="+", default=STAGES)
    options = parser.parse_args()
    stages, others = [], []
    for songs in options.songs:
        with tempfile.TemporaryDirectory() as work:
            ran, once = measure(Path(work), songs, options.stages)
        stages, others = stages + ran, others + once
    memory = "DVC, MB|first process, MB|largest other, MB"
    print_table(f"songs|stage|s|s of all cores|{memory}|written, MB", stages)
    print_table("songs|what DVC does beside running stages|s|s of all cores|MB", others)


def measure(work: Path, songs: int, stages: list[str]) -> tuple[list[Row], list[Row]]:
    """Run the stages on made-up songs: rows of the two tables."""
    write_songs(work / "songs", songs)
    clone = work / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    params["corpus"] = {"source": "folder", "folder": str(work / "songs")}
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"OSTINATO_CACHE": str(work / "cache"), "DVC_SITE_CACHE_DIR": str(work / "site")}

    def dvc(*command: str) -> Used:
        return run(["dvc", *command], clone, env)

    ran, others = [], []

    def other(what: str, *command: str) -> None:
        used = dvc(*command)
        figures = (used[name] for name in ("wall", "cpu", "dvc"))
        others.append([f"{songs:,}", what, *(f"{each:.0f}" for each in figures)])
        print(*others[-1], file=sys.stderr)

    other("reads the songs for the first time", "status", "corpus")
    for stage in stages:
        figures = [*dvc("repro", "--single-item", stage).values(), written(clone, stage)]
        ran.append([f"{songs:,}", f"`{stage}`", *(f"{each:.0f}" for each in figures)])
        print(*ran[-1], file=sys.stderr)
    other("`dvc status` of these stages", "status", *stages)
    other("`dvc repro`, nothing to do", "repro", stages[-1])
    return ran, others


def write_songs(folder: Path, songs: int) -> None:
    """Make up songs, in all processes."""
    jobs = (
        partial(write_folder, folder / f"{first // IN_FOLDER:04d}", first, songs)
        for first in range(0, songs, IN_FOLDER)
    )
    for _ in in_parallel(jobs):
        pass


def write_folder(folder: Path, first: int, songs: int) -> None:
    """Make up the songs of a folder."""
    folder.mkdir(parents=True)
    for number in range(first, min(first + IN_FOLDER, songs)):
        (folder / f"song {number:06d}.mid").write_bytes(midi_bytes(made_up(number)))


def made_up(number: int) -> Score:
    """A tune in eighths and quarters over chords on each half bar, in a key of its own."""
    rng = np.random.default_rng(number)
    scale = int(rng.integers(12)) + np.array([0, 2, 4, 5, 7, 9, 11])
    rows, degree = [], 0
    for half in range(2 * int(rng.integers(*BARS))):
        begin, root = half * 2 * TICKS_PER_BEAT, int(rng.integers(7))
        for third in (0, 2, 4):
            pitch = 48 + scale[(root + third) % 7]
            rows.append((begin, 2 * TICKS_PER_BEAT, pitch, int(rng.integers(50, 70)), 1))
        now = 0
        while now < 2 * TICKS_PER_BEAT:
            length = int(rng.choice([TICKS_PER_BEAT // 2, TICKS_PER_BEAT]))
            degree = int(np.clip(degree + rng.integers(-2, 3), -7, 13))
            pitch = 60 + 12 * (degree // 7) + scale[degree % 7]
            rows.append((begin + now, length, pitch, int(rng.integers(70, 100)), 0))
            now += length
    notes = tidy(np.array(rows, NOTE))
    tempo = Tempo(0, float(rng.integers(80, 140)))
    return Score(notes, [Part("Tune", 73), Part("Piano", 0)], [Metre(0, 4, 4)], [tempo])


def run(command: list[str], folder: Path, env: dict[str, str]) -> Used:
    """Run DVC, and measure its process and those that it starts."""
    start, before = time.perf_counter(), cpu_seconds()
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    peak = dict.fromkeys(("dvc", "first", "other"), 0.0)
    while process.poll() is None:
        for kind, size in sizes(process.pid):
            peak[kind] = max(peak[kind], size / 1e6)
        time.sleep(BETWEEN)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return {"wall": time.perf_counter() - start, "cpu": cpu_seconds() - before, **peak}


def cpu_seconds() -> float:
    """What all processes that were started and have ended computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sizes(pid: int) -> Iterator[tuple[str, int]]:
    """Look at the processes of DVC: which kind they are, and their memory in bytes."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for each in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                command = " ".join(each.cmdline())
                stage = "stages/" in command and each.name() != "sh"
                kind = "dvc" if each == root else "first" if stage else "other"
                memory = each.memory_info()
                yield kind, memory.rss - memory.shared


def written(clone: Path, stage: str) -> float:
    """The megabytes that a stage wrote, as DVC's lock file says."""
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))
    return sum(out["size"] for out in lock["stages"][stage]["outs"]) / 1e6


def print_table(head: str, rows: list[Row]) -> None:
    """Print a table in Markdown."""
    names = head.split("|")
    for row in (names, ["---"] * len(names), *rows):
        print(f"| {' | '.join(row)} |")
    print()


if __name__ == "__main__":
    main()
