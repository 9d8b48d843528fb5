"""Systems as DVC experiments: the files in ``systems/`` in terms of ``dvc exp run``."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ostinato.core.errors import UserError

FOLDER = Path("systems")

TARGET = "evaluate"
"""The stage that an experiment ends with; those of sound have no part in it."""


@dataclass(frozen=True)
class Row:
    """A system that has a name.

    Attributes
    ----------
    name : str
        That of its file.
    row : str
        Where it stands in the notebooks' order, such as ``"A18"``.
    source : str
        A line on what it is and where it comes from.
    params : dict
        In what it differs from params.yaml.
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
        When there is no such folder.
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
        When there is none.
    """
    rows = {row.name: row for row in read_rows(folder)}
    if name not in rows:
        raise UserError(f"{name!r} is no system; known: {', '.join(rows)}")
    return rows[name]


def settings(params: dict[str, Any], section: str = "") -> list[str]:
    """Write parameters as ``dvc exp run -S`` takes them.

    Parameters
    ----------
    params : dict
        Sections within sections, as in params.yaml.

    Returns
    -------
    list of str
        Such as ``"generator.memory=capsules"``, in Hydra's grammar.
    """
    found = []
    for name, value in params.items():
        if isinstance(value, dict):
            found += settings(value, f"{section}{name}.")
        else:
            flow = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
            found.append(f"{section}{name}={flow.splitlines()[0]}")
    return found


def run(row: Row, name: str, more: list[str], queue: bool = False) -> None:
    """Run a system as a DVC experiment, in a copy of the project.

    In the workspace DVC would leave the system's parameters, and the next one would build on them.

    Parameters
    ----------
    row : Row
        The system.
    name : str
        Of the experiment.
    more : list of str
        Parameters that count in place of those of the system, as ``-S`` takes them.
    queue : bool
        Whether it is only put into DVC's queue.

    Raises
    ------
    UserError
        When dvc is missing or does not succeed; it has said why.
    """
    command = ["dvc", "exp", "run", "--queue" if queue else "--temp", "--name", name]
    # Of two settings of a parameter, the later counts.
    chosen = {one.partition("=")[0]: one for one in settings(row.params) + more}
    for setting in chosen.values():
        command += ["--set-param", setting]
    try:
        done = subprocess.run([*command, TARGET], check=False)
    except FileNotFoundError as error:
        raise UserError("dvc: no such command; activate the environment first") from error
    if done.returncode:
        raise UserError(
            f"{name}: dvc exp run ended with code {done.returncode}; where the name is in use, "
            f"choose another with -n or say `dvc exp remove {name}`"
        )


def merged(params: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Put changes into parameters; both are left as they are.

    Raises
    ------
    KeyError
        When something is changed that there is not.
    """
    both = dict(params)
    for name, value in changes.items():
        before = params[name]
        both[name] = merged(before, value) if isinstance(value, dict) else value
    return both
