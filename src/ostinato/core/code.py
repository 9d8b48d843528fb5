"""Which files of this package a module is made of: its own, and those of all that it imports."""

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parents[1]

HARMLESS = {
    f"ostinato.core.{name}" for name in ("code", "errors", "params", "progress", "schema", "stage")
}
"""Modules that decide nothing about outputs: they check, report, and fail in one line. No stage
depends on them; in ``.dvcignore`` they are named once more."""


def imports_of(path: Path) -> set[str]:
    """Name the modules of this package that a file imports.

    Parameters
    ----------
    path : Path
        Python code. What it imports by a name in a variable does not count.

    Returns
    -------
    set of str
        Such as ``"ostinato.core.files"``; not the packages that these lie in.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                found.add(inside if file_of(inside) else node.module)
    return {name for name in found if file_of(name)}


def files_of(modules: Iterable[str]) -> dict[str, Path]:
    """Find modules, all that they import, and the packages that these lie in.

    Parameters
    ----------
    modules : iterable of str
        Names of modules of this package.

    Returns
    -------
    dict of str to Path
        The file of each module.
    """
    found: dict[str, Path] = {}
    new = set(modules)
    while new:
        name = new.pop()
        found[name] = file_of(name)
        package = name.rpartition(".")[0]
        new |= imports_of(found[name]) | ({package} if package else set())
        new -= found.keys()
    return found


def file_of(module: str) -> Path | None:
    """Find the file of a module of this package; None where there is none."""
    package, *names = module.split(".")
    path = FOLDER.joinpath(*names)
    candidates = [path / "__init__.py", path.with_name(f"{path.name}.py")]
    return next((p for p in candidates if package == FOLDER.name and p.is_file()), None)
