"""A tiny pipeline, in which everything happens within a minute: this project, small parameters."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy

ROOT = Path(__file__).parents[1]
TINY = {
    "threads": 1,
    "corpus.source": "folder",
    "augment.steps": 64,
    "dataset.representation": "onset",
    "decoder.kind": "lstm",
    "decoder.training.batch": 4,
    "decoder.training.max_steps": 4,
    "decoder.training.validate_every": 2,
    "velocity.training.max_steps": 4,
    "generator.keys": 12,
    "generator.memory": "history_user",
    "generator.sampler": "banning",
    "generator.training.batch": 4,
    "generator.training.max_steps": 40,
    "generator.training.validate_every": 4,
    "generator.repeating": False,
    "generator.metre": False,
    "repeating.lags": [4, 8],
    "training.patience": 100,
    "training.precision": "float32",
    "memory.history_user.lags": [4, 8, 16, 32],
    "memory.history_user.local": 8,
    "memory.history_user.read": 8,
    "memory.history_user.aggregation": 8,
    "samplers.banning.hidden": 8,
    "decoders.lstm.hidden": 8,
    "compose.pieces": 2,
    "compose.sounds": 1,
    "compose.bars": 3,
    "evaluate.draws": 2,
    "audio.instruments": [0, 19],
    "autoencoder.training.batch": 4,
    "autoencoder.training.max_steps": 6,
    "autoencoder.training.validate_every": 6,
    "autoencoders.conv.content": 8,
    "autoencoders.conv.width": 8,
    "transcriber.channels": 4,
    "transcriber.training.batch": 2,
    "transcriber.training.learning_rate": 0.02,
    "transcriber.training.max_steps": 40,  # fewer find no note
    "transcriber.training.validate_every": 40,
    "score_creators.player.width": 8,
    "score_creators.player.hidden": 16,
    "score_creators.player.training.batch": 2,
    "score_creators.player.training.max_steps": 6,
    "score_creators.player.training.validate_every": 3,
    "score_creators.lstm.hidden": 8,
    "score_creators.lstm.flow": 8,
    "score_creators.lstm.training.batch": 8,
    "score_creators.lstm.training.max_steps": 10,
    "score_creators.lstm.training.validate_every": 5,
    "improvise.seconds": 3,
    "tokens.letters.source": "folder",
}
for vocabulary in ("events", "chords", "letters"):
    TINY |= {
        f"token_model.{vocabulary}.window": 16,
        f"token_model.{vocabulary}.embedding": 4,
        f"token_model.{vocabulary}.hidden": 32 if vocabulary == "events" else 8,
        f"token_model.{vocabulary}.training.batch": 4,
        f"token_model.{vocabulary}.training.max_steps": 4,
        f"token_model.{vocabulary}.training.validate_every": 2,
        f"token_compose.{vocabulary}.pieces": 1,
        f"token_compose.{vocabulary}.tokens": 20,
    }


class Project:
    """A clone of a tiny project, with caches of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OSTINATO_CACHE": str(folder.parent / f"checkpoints-{folder.name}"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder.parent / f"site-{folder.name}"),
        }
        self.env.pop("PYTHONPATH", None)

    def start(self, *command: str) -> subprocess.Popen:
        """Start a command in the project; what it says, and its errors, can be read."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command, expect its exit code, and return what it said."""
        process = self.start(*command)
        output, _ = process.communicate()
        assert process.returncode == code, output
        return output

    def repro(self, *stages: str) -> list[str]:
        """Run the pipeline, or what leads to some stages, and say which stages ran."""
        return stages_run(self.run("dvc", "repro", *stages))

    def set(self, **values: Any) -> None:
        """Change parameters, dots written as two underscores."""
        set_params(
            self.folder / "params.yaml", {k.replace("__", "."): v for k, v in values.items()}
        )

    def checkpoints(self) -> list[Path]:
        """List the checkpoints of trainings that were interrupted or are going on."""
        return list(Path(self.env["OSTINATO_CACHE"]).rglob("checkpoint.safetensors"))

    def process_of(self, stage: str) -> psutil.Process:
        """Find the process of a stage that dvc has started here."""
        for process in psutil.process_iter(["cwd", "cmdline"]):
            command = process.info["cmdline"] or []
            if process.info["cwd"] == str(self.folder) and f"stages/{stage}.py" in command[1:2]:
                return process
        raise LookupError(f"{stage} does not run")

    def read(self, path: str) -> bytes:
        """Read a file of the project."""
        return (self.folder / path).read_bytes()

    def clone(self, folder: Path) -> "Project":
        """Clone what is committed; DVC's cache is not."""
        subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
        return Project(folder)

    def copy(self, folder: Path) -> "Project":
        """Copy all of the project, with what DVC has in it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def stages_run(output: str) -> list[str]:
    """Name the stages that `dvc repro` ran, in order, from what it said."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def set_params(path: Path, values: dict[str, Any]) -> None:
    """Change parameters in a params.yaml, which have to be there."""
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for where, value in values.items():
        *sections, name = where.split(".")
        section = params
        for part in sections:
            section = section[part]
        assert name in section, where
        section[name] = value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition is true, for two minutes at the most."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def commit(project: Project, message: str) -> None:
    """Commit everything."""
    project.run("git", "add", "--all")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)


def make(folder: Path) -> Project:
    """Write the tiny project and commit it; nothing has run yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    left_out = "store/", "results/", "tests/"
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        kept = name == "results/systems.json" or not name.startswith(left_out)
        if name and path.is_file() and kept:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    set_params(folder / "params.yaml", TINY)
    for seed in range(6):
        name = "Lied für später.mid" if seed == 0 else f"song{seed}.mid"
        (folder / "data" / "scores" / name).write_bytes(midi_bytes(song(seed)))
    (folder / "data" / "text" / "text.txt").write_text("Bäche und Quellen\n" * 60)
    project = Project(folder)
    project.run("git", "init", "-q", "-b", "main")
    commit(project, "tiny")
    return project


def song(seed: int) -> Score:
    """Six bars in two voices, other ones for each seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for onset in range(0, 24 * 480, 480):
        high = 60 + int(rng.integers(20))
        rows.append((onset, 480, 40 + int(rng.integers(12)), 80, 0))
        rows.append((onset, 240, high, 80, 0))
        if rng.random() < 0.5:
            rows.append((onset + 240, 240, high + 2, 80, 0))
    notes = tidy(np.array(rows, NOTE))
    return Score(notes, [Part("Piano")], [Metre(0, 4, 4)], [Tempo(0, 100.0)], f"Song {seed}")
