"""The cache: what would be computed again otherwise, such as checkpoints and files that were read.

Nothing in it is needed; removing it costs time alone.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import joblib
import platformdirs

from ostinato.core import code

KEPT_DAYS = 30
"""Days after which what is not used is removed."""

CHECKPOINTS, READINGS = "checkpoints", "readings"
"""Folders for trainings that were interrupted, and for files that were read."""


def folder(name: str) -> Path:
    """Find a folder of the cache: in ``$OSTINATO_CACHE``, or in the user's cache folder."""
    root = os.environ.get("OSTINATO_CACHE")
    return (Path(root) if root else platformdirs.user_cache_path("ostinato")) / name


def remove_old(within: Path) -> None:
    """Remove what is in a folder and has not been written to for `KEPT_DAYS` days."""
    limit = time.time() - KEPT_DAYS * 24 * 3600
    for each in within.iterdir() if within.exists() else ():
        # Writing a checkpoint updates the time of its folder. Another process may remove the
        # folder at the same time.
        with suppress(FileNotFoundError):
            if each.stat().st_mtime < limit:
                shutil.rmtree(each, ignore_errors=True)


def code_of(*modules: str) -> str:
    """Hash the code of modules and of everything of this package that they import."""
    digest = hashlib.sha256()
    for name, path in sorted(code.files_of(modules).items()):
        if name not in code.HARMLESS:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def remembered(function: Callable[..., Any], path: Path, *arguments: Any, version: str) -> Any:
    """Call a function of a file, or take what it returned for the same content before.

    Parameters
    ----------
    function : callable
        Its first argument is the file; what it returns depends on the content and on the other
        arguments alone.
    path : Path
    arguments
        Further arguments.
    version : str
        What else the result depends on, such as `code_of` it.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return function(path, *arguments)  # which says why it cannot be read
    memory = joblib.Memory(folder(READINGS), verbose=0)
    return memory.cache(_called, ignore=["path"])(function, path, digest, arguments, version)


def forget_old() -> None:
    """Remove readings that were not used for `KEPT_DAYS` days."""
    joblib.Memory(folder(READINGS), verbose=0).reduce_size(age_limit=timedelta(days=KEPT_DAYS))


def _called(
    function: Callable[..., Any], path: Path, digest: str, arguments: tuple[Any, ...], version: str
) -> Any:
    del digest, version  # they are what the result is kept by
    return function(path, *arguments)
