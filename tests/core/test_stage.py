import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BODY = """
from ostinato.core.stage import stage
from ostinato.core import files
with stage("data/a", "results/b") as (params, [a, b]):
    files.write(a / "first.txt", b"1")
    files.write(b / "deep" / "second.txt", b"2" * {size})
    {extra}
"""


def run(
    folder: Path, size: int = 10, extra: str = "", more: dict[str, str] | None = None, **options
) -> subprocess.CompletedProcess:
    if not (folder / "params.yaml").exists():
        shutil.copy(ROOT / "params.yaml", folder)
    return subprocess.run(
        [sys.executable, "-c", BODY.format(size=size, extra=extra)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | (more or {}),
        capture_output=True,
        text=True,
        **options,
    )


def left(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_outputs_appear_when_the_stage_is_done(tmp_path):
    assert run(tmp_path).returncode == 0
    assert left(tmp_path) == ["data/a/first.txt", "params.yaml", "results/b/deep/second.txt"]


def test_a_cache_that_cannot_be_written_to_is_one_line(tmp_path):
    if os.geteuid() == 0:
        cache = Path("/sys")
    else:
        cache = tmp_path / "cache"
        cache.mkdir(mode=0o555)
    extra = """
    from ostinato.core import cache
    from ostinato.core.locks import locked
    with locked(cache.folder("checkpoints") / "line", "line"):
        pass
    """
    result = run(tmp_path, extra=extra, more={"OSTINATO_CACHE": str(cache)})
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{cache}/checkpoints")
    assert "or OSTINATO_CACHE has to name another folder" in result.stderr
    assert left(tmp_path) == ["params.yaml"]


WAIT = """
    import sys, time
    print("begun", flush=True)
    sys.stdin.read()
"""


def start(folder: Path, size: int) -> subprocess.Popen:
    """Begin a stage that goes on when it is told so."""
    process = subprocess.Popen(
        [sys.executable, "-c", BODY.format(size=size, extra=WAIT)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


def test_who_began_last_writes(tmp_path):
    """A stage whose dvc was killed does not disturb the next run, whichever of them ends first."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    first, second = start(tmp_path, 10), start(tmp_path, 20)
    assert second.communicate("")[1] == ""
    assert (
        first.communicate("")[1] == "data/a: another process writes it now, so this one does not\n"
    )
    assert (second.returncode, first.returncode) == (0, 1)
    assert left(tmp_path) == ["data/a/first.txt", "params.yaml", "results/b/deep/second.txt"]
    assert (tmp_path / "results/b/deep/second.txt").stat().st_size == 20


def test_a_stage_whose_dvc_was_killed_writes_nothing(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    body = BODY.format(size=10, extra=WAIT)
    # A shell in the place of dvc; it says which process is the stage, and waits for it.
    shell = 'exec 3<&0; "$0" -c "$1" <&3 & echo $!; wait'
    dvc = subprocess.Popen(
        ["sh", "-c", shell, sys.executable, body],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_STAGE": "a"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert dvc.stdout.readline().strip().isdigit()
    assert dvc.stdout.readline() == "begun\n"
    dvc.kill()
    dvc.wait()
    assert dvc.communicate("")[1] == "data/a, results/b: dvc has ended, so nothing is written\n"
    assert left(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            "from ostinato.core.errors import UserError; raise UserError('put songs there')",
            "put songs",
        ),
        ("raise OSError(28, 'No space left on device')", "No space left on device"),
        ("raise KeyboardInterrupt", "stopped"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(tmp_path, extra, line):
    result = run(tmp_path, extra=extra)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert line in result.stderr
    assert left(tmp_path) == ["params.yaml"]


def test_a_failure_keeps_what_was_there_before(tmp_path):
    run(tmp_path)
    before = (tmp_path / "data/a/first.txt").stat().st_ino
    run(tmp_path, extra="raise OSError(5, 'Input/output error')")
    assert (tmp_path / "data/a/first.txt").stat().st_ino == before


def test_a_programming_error_shows_its_traceback(tmp_path):
    result = run(tmp_path, extra="1 / 0")
    assert "Traceback" in result.stderr
    assert left(tmp_path) == ["params.yaml"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk: writing fails half-way just so."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    result = run(tmp_path, size=100_000, preexec_fn=limit)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "results/b/deep/second.txt: File too large" in result.stderr
    assert left(tmp_path) == ["params.yaml"]


def test_a_read_only_target_is_one_line(tmp_path):
    if os.geteuid() == 0:  # root writes everywhere but into what the kernel shows
        (tmp_path / "data").symlink_to("/sys")
    else:
        (tmp_path / "data").mkdir(mode=0o555)
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert re.fullmatch(
        r"data/a: (Permission denied|.* permitted|Read-only.*); its folder has to be writable\n",
        result.stderr,
    )


def test_a_wrong_parameter_is_one_line(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("temperature:", "temprature:"))
    result = run(tmp_path)
    assert result.returncode == 1
    assert "compose.temprature is no parameter" in result.stderr
    assert "Traceback" not in result.stderr
    assert left(tmp_path) == ["params.yaml"]
