"""The cache: what would be computed again otherwise, such as checkpoints and files that were read.

Nothing in it is needed; removing it costs time alone.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ostinato.core import code, files

KEPT_DAYS = 30
"""Days after which what is not used is removed."""

CHECKPOINTS, READINGS = "checkpoints", "readings"
"""Folders for trainings that were interrupted, and for files that were read."""


IN_BASE64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
HASH_BYTES = hashlib.sha256().digest_size


def folder(name: str) -> Path:
    """Find a folder of the cache: in ``$OSTINATO_CACHE``, or in the user's cache folder."""
    root = os.environ.get("OSTINATO_CACHE")
    return (Path(root) if root else platformdirs.user_cache_path("ostinato")) / name


def remove_old(within: Path, pattern: str = "*") -> None:
    """Remove files and folders that have not been written to for `KEPT_DAYS` days.

    Parameters
    ----------
    within : Path
        A folder of the cache.
    pattern : str
        Which paths in it are looked at. Writing a checkpoint updates the time of its folder, and
        using a reading that of its file.
    """
    limit = time.time() - KEPT_DAYS * 24 * 3600
    for each in within.glob(pattern):
        # Another process may remove it at the same time.
        with suppress(FileNotFoundError):
            if each.stat().st_mtime < limit:
                if each.is_dir():
                    shutil.rmtree(each, ignore_errors=True)
                else:
                    each.unlink()


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
        arguments alone. The type that it is annotated to return can be written as JSON, with
        Pydantic.
    path : Path
    arguments
        Further arguments; what `repr` says of them tells them apart.
    version : str
        What else the result depends on, such as `code_of` it.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return function(path, *arguments)  # which says why it cannot be read
    called = repr((function.__module__, function.__qualname__, digest, arguments, version))
    name = hashlib.sha256(called.encode()).hexdigest()
    place = folder(READINGS) / name[:2] / name[2:]
    returned = get_type_hints(function)["return"]
    # In a tuple, since a data class takes no configuration but its own.
    known = TypeAdapter(tuple[returned], config=IN_BASE64)
    with suppress(FileNotFoundError, ValidationError):
        written = place.read_bytes()
        content = written[HASH_BYTES:]
        # A damaged one is made again.
        if written[:HASH_BYTES] == hashlib.sha256(content).digest():
            os.utime(place)
            return known.validate_json(content)[0]
    result = function(path, *arguments)
    content = known.dump_json((result,))
    files.write(place, hashlib.sha256(content).digest() + content)
    return result


def forget_old() -> None:
    """Remove readings that were not used for `KEPT_DAYS` days."""
    remove_old(folder(READINGS), "??/*")
