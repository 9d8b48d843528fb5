"""Which source files of this package a module depends on: its own, and those it imports."""

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parents[1]

HARMLESS = {
    *(
        f"ostinato.core.{name}"
        for name in (
            "code",
            "errors",
            "locks",
            "params",
            "progress",
            "ranks",
            "stage",
            "workers",
        )
    ),
    *(f"ostinato.page.{name}" for name in ("revisions", "watch")),
}
"""Modules that cannot change outputs, such as those that check parameters and report errors. No
stage depends on them. ``.dvcignore`` lists the same modules."""


def imports_of(path: Path) -> set[str]:
    """List the modules of this package that a file imports.

    Parameters
    ----------
    path : Path
        A Python file. Only import statements count, not calls of ``import_module``.

    Returns
    -------
    set of str
        Full names, such as ``"ostinato.core.files"``. Parent packages are not added.
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
    """Find the files of modules, of everything they import, and of all parent packages.

    Parameters
    ----------
    modules : iterable of str
        Names of modules of this package.

    Returns
    -------
    dict of str to Path
        From the name of each module to its file.
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
    """Find the file of a module of this package; None if there is none."""
    package, *names = module.split(".")
    path = FOLDER.joinpath(*names)
    candidates = [path / "__init__.py", path.with_name(f"{path.name}.py")]
    return next((p for p in candidates if package == FOLDER.name and p.is_file()), None)
