"""A tiny pipeline: the project's own files with small parameters, run once by the real dvc."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from making import melody

from ostinato.scores.midi import midi_bytes

ROOT = Path(__file__).parents[2]
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
    "autoencoder.training.max_steps": 10,
    "autoencoder.training.validate_every": 5,
    "autoencoders.conv.content": 8,
    "autoencoders.conv.width": 8,
    "score_creator.training.batch": 8,
    "score_creator.training.max_steps": 10,
    "score_creator.training.validate_every": 5,
    "score_creators.lstm.hidden": 8,
    "score_creators.lstm.flow": 8,
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
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, code: int = 0) -> str:
        process = self.start(*command)
        output, _ = process.communicate()
        assert process.returncode == code, output
        return output

    def repro(self, *arguments: str) -> list[str]:
        """Run the pipeline and say which stages ran."""
        return stages_run(self.run("dvc", "repro", *arguments))

    def set(self, **values: Any) -> None:
        """Change parameters, dots written as two underscores."""
        set_params(
            self.folder / "params.yaml", {k.replace("__", "."): v for k, v in values.items()}
        )

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def clone(self, folder: Path) -> "Project":
        """Clone what is committed; DVC's cache is not."""
        subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
        return Project(folder)

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def stages_run(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def set_params(path: Path, values: dict[str, Any]) -> None:
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for where, value in values.items():
        *sections, name = where.split(".")
        section = params
        for part in sections:
            section = section[part]
        assert name in section, where
        section[name] = value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def commit(project: Project, message: str) -> None:
    project.run("git", "add", "--all")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project as committed, before anything ran. Not to be changed."""
    folder = tmp_path_factory.mktemp("tiny") / "project"
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
        data = midi_bytes(melody(seed, beats=24))
        (folder / "data" / "scores" / name).write_bytes(data)
    (folder / "data" / "text" / "text.txt").write_text("Bäche und Quellen\n" * 60)
    project = Project(folder)
    project.run("git", "init", "-q", "-b", "main")
    commit(project, "tiny")
    return project


STAGES = """
corpus dataset augment decoder generator compose evaluate audio held_out autoencoder
autoencoder_evaluate reconstruct encode score_creator score_creator_evaluate improvise
tokens@events tokens@chords tokens@letters token_model@events token_model@chords
token_model@letters token_compose@events token_compose@chords token_compose@letters token_evaluate
page
"""


@pytest.fixture(scope="session")
def twins(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Project]:
    """Two cold clones of the tiny project after `dvc repro`, on a core each. Not to be changed."""
    root = tmp_path_factory.mktemp("done")
    projects = [fresh.clone(root / name) for name in ("project", "twin")]
    for process in [project.start("dvc", "repro") for project in projects]:
        output, _ = process.communicate()
        assert process.returncode == 0, output
        assert stages_run(output) == STAGES.split()
    return projects


@pytest.fixture(scope="session")
def done(twins: list[Project]) -> Project:
    """The tiny project after `dvc repro`, its lock committed. Not to be changed: copy it."""
    commit(twins[0], "after dvc repro")
    return twins[0]


@pytest.fixture
def project(done: Project, tmp_path: Path) -> Project:
    """A copy of the tiny project after `dvc repro`, caches included."""
    return done.copy(tmp_path / "project")
