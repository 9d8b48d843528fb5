"""Systems as DVC experiments: runs the files in ``systems/`` with ``dvc exp run``."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ostinato.core.errors import UserError
from ostinato.core.progress import tell

FOLDER = Path("systems")

TARGET = "evaluate"
"""The last stage of an experiment. The stages for sound are not run."""


@dataclass(frozen=True)
class Row:
    """A system that has a name.

    Attributes
    ----------
    name : str
        The name of its file, without the suffix.
    row : str
        Its place in the order of the notebooks, such as ``"A18"``.
    source : str
        One line on what it is and where it comes from.
    params : dict
        Its differences from params.yaml.
    """

    name: str
    row: str
    source: str
    params: dict[str, Any]


def read_rows(folder: Path = FOLDER) -> list[Row]:
    """Read all systems, in the order of their rows.

    Raises
    ------
    UserError
        When the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run this in the project's own one")
    paths = folder.glob("*.yaml")
    rows = [Row(p.stem, **yaml.safe_load(p.read_text(encoding="utf-8"))) for p in paths]
    return sorted(rows, key=lambda row: (_place(row.row), row.name))


def _place(row: str) -> tuple[str, int, str]:
    digits = "".join(filter(str.isdigit, row))
    return row.rstrip("0123456789b"), int(digits or 0), row


def find(name: str, folder: Path = FOLDER) -> Row:
    """Find a system by its name.

    Raises
    ------
    UserError
        When there is no such system.
    """
    rows = {row.name: row for row in read_rows(folder)}
    if name not in rows:
        raise UserError(f"{name!r} is no system; known: {', '.join(rows)}")
    return rows[name]


def settings(params: dict[str, Any], section: str = "") -> list[str]:
    """Format parameters for ``dvc exp run -S``.

    Parameters
    ----------
    params : dict
        Nested sections, as in params.yaml.

    Returns
    -------
    list of str
        Such as ``"++generator.memory=capsules"``, in Hydra's grammar. The plus signs also allow
        parameters that params.yaml does not contain, such as a shared training parameter that only
        this system overrides.
    """
    found = []
    for name, value in params.items():
        if isinstance(value, dict):
            found += settings(value, f"{section}{name}.")
        else:
            flow = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
            found.append(f"++{section}{name}={flow.splitlines()[0]}")
    return found


def run(row: Row, name: str, more: list[str]) -> None:
    """Run a system as a DVC experiment, in a copy of the project.

    In the workspace, DVC would leave the system's parameters in params.yaml, and the next system
    would build on them.

    Parameters
    ----------
    row : Row
        The system.
    name : str
        The name of the experiment.
    more : list of str
        Parameters that override those of the system, in the form that ``-S`` takes.

    Raises
    ------
    UserError
        When dvc is missing or fails. If it fails, it has printed the reason.
    """
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    # If a parameter is set twice, the later setting counts.
    both = settings(row.params) + more
    chosen = {one.partition("=")[0].lstrip("+"): one for one in both}
    for setting in chosen.values():
        command += ["--set-param", setting]
    done = _dvc([*command, TARGET])
    if done.returncode:
        raise UserError(
            f"{name}: dvc exp run ended with code {done.returncode}; where the name is in use, "
            f"choose another with -n or say `dvc exp remove {name}`"
        )


def run_all(more: list[str]) -> list[str]:
    """Run all systems, one after another, but for those that are experiments of this commit.

    Parameters
    ----------
    more : list of str
        As for `run`.

    Returns
    -------
    list of str
        The names of those that failed. The reason has been printed.

    Raises
    ------
    UserError
        When dvc is missing, or this is no project of its.
    """
    listed = _dvc(["dvc", "exp", "list", "--names-only"], capture_output=True, text=True)
    if listed.returncode:
        raise UserError(listed.stderr.strip())
    known, failed = set(listed.stdout.split()), []
    for row in read_rows():
        if row.name in known:
            tell(f"{row.name}: done before; `dvc exp remove {row.name}` lets it run again")
            continue
        tell(f"{row.name}: running")
        try:
            run(row, row.name, more)
        except UserError as error:
            tell(str(error))
            failed.append(row.name)
    return failed


def _dvc(command: list[str], **how: Any) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, check=False, **how)
    except FileNotFoundError as error:
        raise UserError("dvc: no such command; activate the environment first") from error


def merged(params: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with changes merged into them, section by section."""
    both = dict(params)
    for name, value in changes.items():
        before = params.get(name)
        deeper = isinstance(before, dict) and isinstance(value, dict)
        both[name] = merged(before, value) if deeper else value
    return both
