"""What goes wrong on real machines: nothing is lost, and a line says what to do.

Kills and full disks at random moments are in bench/kill.py.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path

import pytest
from tiny import Project, stages_run, wait_for

from ostinato.core.errors import UserError
from ostinato.core.models import read_model

MODEL = "models/generator/model.safetensors"
NO_LOCKS = """
import errno, fcntl, os
def flock(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""
DAY = 24 * 3600


@pytest.fixture(scope="module")
def trained(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, in which the stages up to generator have run. Not to be changed."""
    project = fresh.clone(tmp_path_factory.mktemp("trained") / "project")
    project.set(generator__training__max_steps=100)
    project.run("dvc", "repro", "generator")
    project.run("git", "add", "--all")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "trained")
    return project


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    return trained.copy(tmp_path / "project")


def train(project: Project) -> subprocess.Popen:
    """Begin to train the generator again; return when there is a checkpoint."""
    dvc = project.start("dvc", "repro", "--force", "--single-item", "generator")
    wait_for(project.checkpoints, "no checkpoint was written")
    return dvc


def test_a_second_dvc_is_refused_and_the_first_goes_on(project, trained):
    first = train(project)
    process = project.process_of("generator")
    process.suspend()
    output = project.run("dvc", "repro", "--force", "--single-item", "generator", code=255)
    assert "is busy, it is being blocked by" in output
    assert f"(PID {first.pid})" in output
    process.resume()
    assert first.wait() == 0
    assert project.read(MODEL) == trained.read(MODEL)


def test_two_clones_that_share_their_caches_train_once(project, trained):
    other = project.copy(project.folder.with_name("other"))
    other.env["OSTINATO_CACHE"] = project.env["OSTINATO_CACHE"]
    shutil.rmtree(other.folder / ".dvc/cache")
    other.run("dvc", "cache", "dir", "--local", str(project.folder / ".dvc/cache"))
    first = train(project)
    process = project.process_of("generator")
    process.suspend()
    second = other.start("dvc", "repro", "--force", "--single-item", "generator")
    assert any("generator: waiting for another process" in line for line in second.stdout)
    process.resume()
    assert (first.wait(), second.wait()) == (0, 0)
    for path in (MODEL, "results/generator/curves.tsv"):
        assert project.read(path) == other.read(path) == trained.read(path)
    assert project.checkpoints() == []


def test_files_of_the_future_change_nothing(project, trained):
    """As after the clock was set back: checkpoints and everything else seem to be made later."""
    dvc = train(project)
    process = project.process_of("generator")
    process.kill()
    dvc.wait()
    later = time.time() + 400 * DAY
    for folder in (project.folder, Path(project.env["OSTINATO_CACHE"])):
        for path in folder.rglob("*"):
            os.utime(path, (later, later), follow_symlinks=False)
    output = project.run("dvc", "repro", "--force", "--single-item", "generator")
    assert stages_run(output) == ["generator"]
    assert project.read(MODEL) == trained.read(MODEL)
    song = project.folder / "data/scores/song1.mid"
    song.write_bytes((project.folder / "data/scores/song2.mid").read_bytes())
    assert "data/scores" in project.run("dvc", "status", "corpus")


def test_a_damaged_checkpoint_is_one_line_and_is_not_gone_on_with(project, trained):
    dvc = train(project)
    project.process_of("generator").kill()
    dvc.wait()
    [checkpoint] = project.checkpoints()
    data = bytearray(checkpoint.read_bytes())
    data[-5] ^= 1
    checkpoint.write_bytes(data)
    command = ("dvc", "repro", "--force", "--single-item", "generator")
    output = project.run(*command, code=255)
    [line] = [line for line in output.splitlines() if "is damaged" in line]
    assert line.startswith(str(checkpoint))
    assert line.endswith("; remove it, and training begins anew")
    assert "Traceback" not in output
    checkpoint.unlink()
    project.run(*command)
    assert project.read(MODEL) == trained.read(MODEL)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder one that cannot be written to, by root, too."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True).returncode:
        pytest.skip("root may write everywhere, and may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["models", "cache"])
def test_a_folder_that_cannot_be_written_to_is_one_line(project, name):
    project.set(generator__training__learning_rate=0.02)
    for output in ("models/generator", "results/generator"):
        shutil.rmtree(project.folder / output)
    folder = project.folder / name
    if name == "cache":
        folder = Path(project.env["OSTINATO_CACHE"])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    with read_only(folder):
        output = project.run("dvc", "repro", "--single-item", "generator", code=255)
    [line] = [line for line in output.splitlines() if "has to be writable" in line]
    if name == "cache":
        assert line.startswith(f"{folder}/checkpoints")
        assert line.endswith("or OSTINATO_CACHE has to name another folder")
    else:
        assert line.startswith(f"{name}/generator: ")
    assert "Traceback" not in output
    assert not list(project.folder.rglob(".*.tmp"))


def test_a_file_system_without_locks_is_one_line(project):
    """dvc has a lock of its own for such file systems, and we say where checkpoints can be."""
    (project.folder / "src/sitecustomize.py").write_text(NO_LOCKS)
    project.env["PYTHONPATH"] = str(project.folder / "src")
    assert "Unable to acquire lock" in project.run("dvc", "repro", code=255)
    project.run("dvc", "config", "--local", "core.hardlink_lock", "true")
    for lock in ("lock", "rwlock.lock"):
        (project.folder / ".dvc/tmp" / lock).unlink()
    output = project.run("dvc", "repro", "--force", "--single-item", "generator", code=255)
    assert "cannot lock files; OSTINATO_CACHE has to name a folder of another one" in output
    assert "Traceback" not in output


def test_what_is_said_of_a_damaged_model_brings_it_anew(project, trained):
    """It is damaged in DVC's cache, too: they are one file, and DVC believes what is protected."""
    path = project.folder / MODEL
    data = bytearray(path.read_bytes())
    name = md5(data).hexdigest()
    cached = project.folder / ".dvc/cache/files/md5" / name[:2] / name[2:]
    data[-5] ^= 1
    cached.chmod(0o644)
    cached.write_bytes(data)
    cached.chmod(0o444)
    path.unlink()
    path.hardlink_to(cached)
    remedy = r"is damaged.*; remove its folder, `chmod .*`, then .* `dvc repro`"
    with pytest.raises(UserError, match=remedy) as caught:
        read_model(path.parent)
    shutil.rmtree(path.parent)
    project.run(*str(caught.value).split("`")[1].split())
    assert stages_run(project.run("dvc", "repro", "generator")) == ["generator"]
    assert project.read(MODEL) == trained.read(MODEL)


@pytest.mark.parametrize("damage", ["half", "conflict"])
def test_a_damaged_lock_is_named_and_what_git_has_helps(project, damage):
    lock = project.folder / "dvc.lock"
    lines = lock.read_text().splitlines(keepends=True)
    here = len(lines) // 2
    if damage == "half":
        lock.write_text("".join(lines[:here]) + "    - pa")
    else:
        lines[here:here] = ["<<<<<<< HEAD\n", "=======\n", ">>>>>>> other\n"]
        lock.write_text("".join(lines))
    output = project.run("dvc", "repro", "generator", code=255)
    assert "dvc.lock" in output
    project.run("git", "checkout", "dvc.lock")
    assert stages_run(project.run("dvc", "repro", "generator")) == []


def test_damaged_figures_are_written_again_without_training(project, trained):
    figures = "results/generator/training.json"
    (project.folder / figures).write_text('{"weights": 12')
    assert stages_run(project.run("dvc", "repro", "generator")) == []
    assert project.read(figures) == trained.read(figures)


def test_half_of_params_yaml_is_one_line(project):
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().split("generator:")[0])
    output = project.run("dvc", "repro", code=255)
    assert output.startswith("ERROR: failed to parse")
    assert "Could not find" in output
    assert "Traceback" not in output
