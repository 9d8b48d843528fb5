"""Each stage lists the code that it imports: nothing is missed, and no figure trains a model."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from ostinato.core import code
from ostinato.core.params import PACKAGES

ROOT = Path(__file__).parents[2]
STAGES = {
    # Those that stand there once for several vocabularies have all the rest in "do".
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}
TRAININGS = "decoder", "generator", "autoencoder", "transcriber", "score_creator", "token_model"
CHOSEN = re.compile(r"src/(ostinato/\w+/\w+)/\$\{[\w.]+\}\.py")
"""A dependency that params.yaml chooses, one file of a package."""


def packages_of(stage: str) -> set[str]:
    """The packages from which params.yaml chooses what a stage uses."""
    found = (CHOSEN.fullmatch(dep) for dep in STAGES[stage]["deps"])
    return {match[1].replace("/", ".") for match in found if match}


def members(package: str) -> dict[str, Path]:
    paths = code.file_of(package).parent.glob("[!_]*.py")
    return {f"{package}.{path.stem}": path for path in paths}


def decides(path: Path) -> bool:
    """Whether there is more in a file than a docstring."""
    return len(ast.parse(path.read_text(encoding="utf-8")).body) > 1


def needs(stage: str) -> set[str]:
    """The files that a stage imports, whatever is chosen, but for the chosen files themselves."""
    chosen = {name: path for p in packages_of(stage) for name, path in members(p).items()}
    imported = code.imports_of(ROOT / "stages" / f"{stage}.py").union(
        *(code.imports_of(path) for path in chosen.values())
    )
    return {
        path.relative_to(ROOT).as_posix()
        for name, path in code.files_of(imported).items()
        if name not in code.HARMLESS and name not in chosen and decides(path)
    }


def listed(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))}


@pytest.mark.parametrize("stage", STAGES)
def test_every_import_of_a_stage_is_covered(stage):
    missing = {
        path
        for path in needs(stage)
        if not any(path == dep or path.startswith(f"{dep}/") for dep in listed(stage))
    }
    assert missing == set()
    assert f"stages/{stage}.py" in listed(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_listed_that_a_stage_does_not_import(stage):
    code_of = needs(stage) | {f"stages/{stage}.py"}
    unused = {
        dep
        for dep in listed(stage)
        if not CHOSEN.fullmatch(dep)
        and not any(path == dep or path.startswith(f"{dep}/") for path in code_of)
    }
    assert unused == set()


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_chosen_by_name_is_listed_by_each_stage_that_builds_it(stage):
    code_of = [ROOT / path for path in needs(stage)]
    built = {
        package
        for package, _ in PACKAGES.values()
        if any(f'"{package}"' in path.read_text(encoding="utf-8") for path in code_of)
    }
    whole = {
        package for package in built if "/".join(["src", *package.split(".")[:-1]]) in listed(stage)
    }
    assert built - whole == packages_of(stage)
    assert stage not in TRAININGS or not whole


@pytest.mark.parametrize("stage", TRAININGS)
def test_no_figure_and_no_piece_trains_a_model(stage):
    read = listed(stage) | needs(stage)
    assert not [path for path in read if "/report" in path or "/compose" in path]


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in TRAININGS])
def test_a_stage_that_measures_or_composes_trains_nothing(stage):
    assert not [path for path in listed(stage) | needs(stage) if "/fit" in path]


def test_where_loops_run_is_no_parameter_of_a_stage():
    assert not [name for name, stage in STAGES.items() if "workers" in stage["params"]]


def test_dvc_ignores_the_code_that_decides_nothing():
    ignored = (ROOT / ".dvcignore").read_text().split()
    harmless = {code.file_of(name).relative_to(ROOT).as_posix() for name in code.HARMLESS}
    assert {line for line in ignored if line.startswith("src/")} == harmless
