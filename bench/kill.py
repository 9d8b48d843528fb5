"""What is lost when processes are killed or the disk is full: at any moment, it must be nothing.

    python bench/kill.py --kills 100 --full 50 --seed 7

A tiny pipeline runs undisturbed once. Then it runs again and again, from nothing, and at random
moments over all stages something happens to it:

- SIGKILL hits dvc alone, the process of the stage alone, or all processes at once;
- the disk becomes full, and has room again when dvc has ended (needs root, to mount a small one).

Each time, `dvc repro` goes on. Whenever a run has reached the end, dvc.lock and every file must be
those of the undisturbed run, every file in DVC's cache must be what its name says, and nothing
temporary may be left. In between, too, no output may be other than in the undisturbed run. Prints
how often what happened, and what a person had to do for `dvc repro` to go on.
"""

import argparse
import hashlib
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tiny

STAGE = re.compile(r"Running stage '(.*)':")
START = "dvc, before the first stage"
OURS = re.compile(r'File ".*/(src/ostinato|stages)/')
OUTPUTS = "data", "models", "results"
DISK = 400
"""Megabytes of the disk that becomes full."""

CHANCE = 0.5
"""Of something to happen, at each stage that begins. It may happen again when that runs again."""

TRAININGS = {
    "decoder": 300,
    "generator": 400,
    "autoencoder": 150,
    "transcriber": 40,
    "score_creators.player": 60,
    "token_model.events": 500,
    "token_model.chords": 500,
    "token_model.letters": 500,
}
"""How many steps are trained, so that there are checkpoints for some seconds."""

VICTIMS = "dvc", "stage", "all"

HELP = {
    r"RWLock-file .* JSON structure is corrupted": ".dvc/tmp/rwlock",
    r"dvc\.lock'": "dvc.lock",
}
"""What DVC says when it cannot go on by itself, and the file that a person removes then."""


@dataclass
class Counts:
    """What happened."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By stage, and by what happened."""
    helped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By what happened, and by the file that a person had to remove."""
    said: Counter[str] = field(default_factory=Counter)
    """The last line of an error, of a run whose disk became full."""
    checkpoints: int = 0
    """Events at which a checkpoint of a training was there, to go on from."""
    passes: int = 0
    faults: list[str] = field(default_factory=list)
    """What may not happen."""

    def number(self, *kinds: str) -> int:
        """Count the events of some kinds."""
        return sum(count for (_, kind), count in self.events.items() if kind in kinds)


class Run:
    """A `dvc repro` whose output is read while it runs.

    Attributes
    ----------
    lines : list of str
        What dvc and the stages said so far.
    """

    def __init__(self, project: tiny.Project):
        self.dvc = subprocess.Popen(
            ["dvc", "repro"],
            cwd=project.folder,
            env=project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._stages: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A stage whose dvc was killed lives on, and goes on writing to this pipe.
        for line in self.dvc.stdout:
            self.lines.append(line)
            if found := STAGE.match(line):
                self._stages.put(found[1])
        self._stages.put(None)

    def next_stage(self, seconds: float | None = None) -> str | None:
        """Wait for the next stage to begin; None at the end.

        Raises
        ------
        queue.Empty
            When nothing happened for so many seconds.
        """
        return self._stages.get(timeout=seconds)

    def processes(self) -> list[psutil.Process]:
        """List the processes of the stage that runs: its own first."""
        found = psutil.Process(self.dvc.pid).children(recursive=True)
        return [process for process in found if "stages/" in " ".join(_command(process))]

    def text(self, seconds: float = 1) -> str:
        """Wait for dvc to end, and so long for a stage that lives on; return what was said."""
        self.dvc.wait()
        self._reader.join(seconds)
        return "".join(self.lines)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def main() -> None:
    """Disturb, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--full", type=int, default=50, help="how often the disk becomes full")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="a folder for projects in which a fault was seen")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    start = time.monotonic()
    counts = Counts()
    with tempfile.TemporaryDirectory() as work:
        first = tiny.make(Path(work) / "first")
        changes = {f"{name}.training.max_steps": steps for name, steps in TRAININGS.items()}
        changes |= {f"{name}.training.validate_every": 20 for name in TRAININGS}
        tiny.set_params(first.folder / "params.yaml", changes)
        tiny.commit(first, "longer trainings")
        expected, seconds = undisturbed(first.clone(Path(work) / "undisturbed"))
        for kinds, enough, place in (
            (VICTIMS, options.kills, folder_on_disk),
            (("full",), options.full, small_disk),
        ):
            while not counts.faults and counts.number(*kinds) < enough:
                with place(Path(work) / "pass") as folder:
                    one_pass(first, folder, kinds, enough, rng, expected, seconds, counts)
                    if counts.faults and options.keep:
                        shutil.copytree(folder, options.keep, symlinks=True)
    report(counts, list(seconds), time.monotonic() - start)
    sys.exit(bool(counts.faults))


def undisturbed(project: tiny.Project) -> tuple[dict[str, str], dict[str, float]]:
    """Run everything once; return the hash of each file, and the seconds of each stage."""
    run = Run(project)
    begun, name, seconds = time.monotonic(), START, {}
    while name:
        following = run.next_stage()
        seconds[name] = time.monotonic() - begun
        begun, name = time.monotonic(), following
    output = run.text()
    if run.dvc.returncode:
        sys.exit(output)
    return hashes(project.folder), seconds


def one_pass(
    first: tiny.Project,
    folder: Path,
    kinds: tuple[str, ...],
    enough: int,
    rng: random.Random,
    expected: dict[str, str],
    seconds: dict[str, float],
    counts: Counts,
) -> None:
    """Run a clone to its end, with disturbances on the way, and compare it."""
    project = first.clone(folder / "project")
    (folder / "temporary").mkdir()
    project.env["TMPDIR"] = str(folder / "temporary")
    last, runs = "nothing", []
    while not counts.faults:
        run = Run(project)
        runs.append(run)
        chosen = kinds if counts.number(*kinds) < enough else ()
        kind = disturb(run, project, chosen, rng, seconds, counts)
        output = run.text()
        if kind == "full":
            (folder / "ballast").unlink()
            counts.said[_last_error(output, project)] += 1
        counts.faults += different(project.folder, expected, kind == "full")
        if kind:
            last = kind
            time.sleep(rng.choice((0, rng.uniform(0, 2))))
        elif run.dvc.returncode == 0:
            break
        elif removed := [name for said, name in HELP.items() if re.search(said, output)]:
            counts.helped[last, removed[0]] += 1
            (project.folder / removed[0]).unlink()
        else:
            counts.faults.append(f"dvc repro does not go on after {last}:\n{output}")
    counts.passes += 1
    said = [run.text(60) for run in runs]
    counts.faults += [f"a traceback of ours:\n{each}" for each in said if OURS.search(each)]
    if not counts.faults:
        counts.faults += compared(project, expected)
    done, kills = counts.number(*kinds), ", ".join(kinds)
    print(f"pass {counts.passes}: {done} of {enough} ({kills})", file=sys.stderr, flush=True)


def disturb(
    run: Run,
    project: tiny.Project,
    kinds: tuple[str, ...],
    rng: random.Random,
    seconds: dict[str, float],
    counts: Counts,
) -> str | None:
    """Let something happen to a run at a random moment; return what, if anything did."""
    stage: str | None = START
    chance = CHANCE / 4
    while stage:
        if kinds and rng.random() < chance:
            with suppress(queue.Empty):  # a stage may take less time than in the undisturbed run
                stage = run.next_stage(rng.uniform(0, seconds[stage]))
            if stage:
                kind = happen(run, project, rng.choice(kinds))
                counts.events[stage, kind] += 1
                counts.checkpoints += bool(project.checkpoints())
                print(f"{kind} at {stage}", file=sys.stderr, flush=True)
                return kind
        else:
            chance, stage = CHANCE, run.next_stage()
    return None


def happen(run: Run, project: tiny.Project, kind: str) -> str:
    """Kill processes, or fill the disk; return what was done.

    Where no stage runs, since dvc is at work, dvc is killed.
    """
    if kind == "full":
        fill(project.folder.parent / "ballast")
        return kind
    if kind == "all":
        os.killpg(run.dvc.pid, signal.SIGKILL)
        return kind
    processes = run.processes()
    if kind == "stage" and processes:
        processes[0].kill()
        return kind
    run.dvc.kill()
    return "dvc"


def fill(ballast: Path) -> None:
    """Write a file until the disk is full."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def folder_on_disk(folder: Path) -> Iterator[Path]:
    """Make a folder for a while."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of `DISK` megabytes, in memory."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(folder)]
    if subprocess.run(command).returncode:
        sys.exit("a small disk cannot be mounted, which needs root; --full 0 leaves that out")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def hashes(folder: Path, within: tuple[str, ...] = (".",)) -> dict[str, str]:
    """Hash the files of a project, without those of git and of DVC and compiled code."""
    found = {}
    for name in within:
        for path in sorted((folder / name).rglob("*")):
            parts = path.relative_to(folder).parts
            if parts[0] in (".git", ".dvc") or "__pycache__" in parts or _temporary(path, folder):
                continue
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except (IsADirectoryError, FileNotFoundError):
                continue
            found[path.relative_to(folder).as_posix()] = digest
    return found


def _temporary(path: Path, folder: Path) -> bool:
    return any(
        part.startswith(".") and part.endswith(".tmp") for part in path.relative_to(folder).parts
    )


def temporaries(folder: Path) -> list[str]:
    """List what is temporary in a folder, by its name."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.tmp"))


def different(folder: Path, expected: dict[str, str], ended: bool) -> list[str]:
    """List outputs that are other than in the undisturbed run; those that are not there are none.

    If all processes have ended by themselves, nothing temporary is left, either.
    """
    faults = [
        f"{name} is other than in the undisturbed run"
        for name, digest in hashes(folder, OUTPUTS).items()
        if expected.get(name) != digest
    ]
    left = [path for path in temporaries(folder) if not path.startswith(".dvc/")] if ended else []
    return faults + [f"{path} is left" for path in left]


def compared(project: tiny.Project, expected: dict[str, str]) -> list[str]:
    """List what differs between the end of a disturbed run and that of the undisturbed one."""
    found = hashes(project.folder)
    faults = [
        f"{name}: {'differs' if name in found and name in expected else 'only in one of the runs'}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    cache = project.folder / ".dvc/cache/files/md5"
    for path in cache.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "md5").hexdigest()
            if path.parent.name + path.name.removesuffix(".dir") != digest:
                faults.append(f"{path.relative_to(cache)} in DVC's cache is damaged")
    for folder in (project.folder, Path(project.env["OSTINATO_CACHE"])):
        faults += [f"{path} is left" for path in temporaries(folder)]
    faults += [
        f"{path} is left" for path in Path(project.env["OSTINATO_CACHE"]).rglob("*.safetensors")
    ]
    # DVC keeps the entries of readers that were killed until somebody wants to write.
    for mode, locks in json.loads((project.folder / ".dvc/tmp/rwlock").read_text()).items():
        for name, holders in locks.items():
            for holder in holders if isinstance(holders, list) else [holders]:
                if mode == "write" or psutil.pid_exists(holder["pid"]):
                    faults.append(f"a lock is left ({mode}): {name}, {holder}")
    again = project.run("dvc", "repro")
    if "Running stage" in again:
        faults.append(f"dvc repro runs again what is done:\n{again}")
    return faults


def _last_error(output: str, project: tiny.Project) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if re.search("error|space|full|Error", line)] or lines
    text = (lines or ["nothing"])[0].replace(f"{project.folder}/", "")
    return re.sub(r"\.\d+\.tmp|[0-9a-f]{30,}|\w{22}\.tmp", "…", text)


def report(counts: Counts, stages: list[str], seconds: float) -> None:
    """Print the counts as Markdown."""
    kinds = [kind for kind in (*VICTIMS, "full") if counts.number(kind)]
    print(f"| stage | {' | '.join(kinds)} |\n|---{'|---' * len(kinds)}|")
    for stage in stages:
        print(f"| {stage} | {' | '.join(str(counts.events[stage, kind]) for kind in kinds)} |")
    print(f"| together | {' | '.join(str(counts.number(kind)) for kind in kinds)} |")
    print("\n| | |\n|---|---|")
    print(f"| runs to the end | {counts.passes} |")
    print(f"| a checkpoint was there | {counts.checkpoints} |")
    print(f"| faults | {len(counts.faults)} |")
    print(f"| minutes | {seconds / 60:.0f} |")
    for (kind, name), count in counts.helped.items():
        print(f"| after {kind}, {name} had to be removed | {count} |")
    if counts.said:
        print("\n| what was said when the disk was full | |\n|---|---|")
        for line, count in counts.said.most_common():
            print(f"| {line} | {count} |")
    for fault in counts.faults:
        print(f"\n{fault}")


if __name__ == "__main__":
    main()
