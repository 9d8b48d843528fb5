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


def run(folder: Path, size: int = 10, extra: str = "", **options) -> subprocess.CompletedProcess:
    if not (folder / "params.yaml").exists():
        shutil.copy(ROOT / "params.yaml", folder)
    return subprocess.run(
        [sys.executable, "-c", BODY.format(size=size, extra=extra)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        **options,
    )


def left(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_outputs_appear_when_the_stage_is_done(tmp_path):
    assert run(tmp_path).returncode == 0
    assert left(tmp_path) == ["data/a/first.txt", "params.yaml", "results/b/deep/second.txt"]


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
    assert "results/b: File too large" in result.stderr
    assert left(tmp_path) == ["params.yaml"]


def test_a_read_only_target_is_one_line(tmp_path):
    if os.geteuid() == 0:  # root writes everywhere but into what the kernel shows
        (tmp_path / "data").symlink_to("/sys")
    else:
        (tmp_path / "data").mkdir(mode=0o555)
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert re.search(
        r"data/.a.\d+.tmp: (Permission denied|.* not permitted|Read-only)", result.stderr
    )


def test_a_wrong_parameter_is_one_line(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("temperature:", "temprature:"))
    result = run(tmp_path)
    assert result.returncode == 1
    assert "compose.temprature is no parameter" in result.stderr
    assert "Traceback" not in result.stderr
    assert left(tmp_path) == ["params.yaml"]
