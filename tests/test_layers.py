"""The rooms of the house: who may import whom."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from ostinato.core import code

ROOT = Path(__file__).parents[1]
KINDS = ("notes", "sound", "tokens")
ROOMS = {
    "core": {"core"},
    "scores": {"core", "scores"},
    **{kind: {"core", "scores", kind} for kind in KINDS},
    "page": {"core", "scores", "page", *KINDS},
}
ORDER = {
    "data": 0,
    "parts": 1,
    "memory": 2,
    "samplers": 2,
    "decoders": 2,
    "autoencoders": 2,
    "score_creators": 2,
    "transcriber": 2,
    "generator": 3,
    "performer": 3,
    "system": 3,
    "networks": 2,
    "model": 3,
    "batches": 3,
    "fit": 4,
    "compose": 5,
    "report": 6,
}
"""Parts of a kind of music, in the order of the pipeline; a part imports none after it."""

PICKLES, NO_PICKLES = r"pickle|joblib\.(Memory|dump|load)|torch\.(save|load)\(", r"[Pp]ickle=False"

PATHS = sorted((ROOT / "src/ostinato").rglob("*.py"))


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def part_of(module: str) -> str | None:
    names = module.split(".")
    return names[2] if names[1:2] and names[1] in KINDS and len(names) > 2 else None


def lines(path: Path, module: str) -> str:
    """Where a module is imported, for people."""
    last = module.rpartition(".")[2]
    numbers = [
        str(node.lineno)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom) and last in ast.unparse(node)
    ]
    return f"{path.relative_to(ROOT)}:{','.join(numbers)} imports {module}"


def imports() -> list[tuple[Path, str, str]]:
    found = []
    for path in PATHS:
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        found += [(path, module, other) for other in code.imports_of(path)]
    return found


def test_a_room_imports_only_rooms_below_it():
    wrong = [
        lines(path, other)
        for path, module, other in imports()
        if room_of(module) in ROOMS and room_of(other) not in ROOMS[room_of(module)] | {""}
    ]
    assert wrong == []


def test_a_part_of_a_kind_imports_none_after_it():
    wrong = [
        lines(path, other)
        for path, module, other in imports()
        if part_of(module) and part_of(other) and ORDER[part_of(other)] > ORDER[part_of(module)]
    ]
    assert wrong == []


def test_what_composes_imports_nothing_that_trains():
    wrong = [
        lines(path, other)
        for path, module, other in imports()
        if part_of(other) == "fit" and part_of(module) == "compose"
    ]
    assert wrong == []


def test_nothing_reads_or_writes_pickles():
    """They run whatever code is in them; a test, too, could leave one behind."""
    shown = subprocess.run(
        ["git", "grep", "--untracked", "-nE", PICKLES, "--", "src", "stages", "bench"],
        cwd=ROOT, capture_output=True, text=True,
    ).stdout  # fmt: skip
    # What travels between processes of one cluster is in no file.
    lines = [
        line for line in shown.splitlines() if not line.startswith("src/ostinato/core/workers")
    ]
    assert [line for line in lines if not re.search(NO_PICKLES, line)] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_module_lies_in_a_room(path):
    parts = path.relative_to(ROOT / "src/ostinato").parts
    above = [
        "__init__",
        "cli",
        "experiments",
        "folders",
        "improvising",
        "songs",
        "speakers",
        "writing",
    ]
    assert parts[0] in {*ROOMS, *(f"{name}.py" for name in above)}
    if parts[0] in KINDS and parts[1] != "__init__.py":
        assert parts[1].removesuffix(".py") in ORDER
