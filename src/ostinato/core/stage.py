"""What all stages share: parameter checks, temporary output folders, and short error messages."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ostinato.core import ranks
from ostinato.core.errors import UserError
from ostinato.core.params import Params, read_params


@contextmanager
def stage(*outputs: str) -> Iterator[tuple[Params, list[Path]]]:
    """Run the body of a stage.

    The body writes into temporary folders. If it succeeds, their contents are moved to the output
    folders; if it fails, they are deleted. So a failed stage leaves no incomplete results.

    Parameters
    ----------
    *outputs : str
        The output folders of the stage.

    Yields
    ------
    Params, list of Path
        The checked parameters, and a temporary folder for each output.

    Raises
    ------
    SystemExit
        With exit code 1 and a message on standard error, for mistakes of the user, errors of the
        operating system, and interruption from the keyboard.
    """
    try:
        params = read_params(Path("params.yaml"))
        with (replacing if ranks.first() else _aside)(*map(Path, outputs)) as temporary:
            yield params, temporary
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        where = error.filename or ", ".join(outputs)
        sys.exit(f"{where}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


@contextmanager
def replacing(*folders: Path) -> Iterator[list[Path]]:
    """Write the contents of folders, which are replaced if that succeeds.

    Parameters
    ----------
    *folders : Path
        What else is in them stays there, but a subfolder that is written anew is replaced as a
        whole.

    Yields
    ------
    list of Path
        A temporary folder for each. Those that killed processes have left are removed.
    """
    temporary = [_temporary(folder, os.getpid()) for folder in folders]
    try:
        for folder, own in zip(folders, temporary, strict=True):
            for left, process in _unfinished(folder):
                if process == os.getpid() or not psutil.pid_exists(process):
                    shutil.rmtree(left, ignore_errors=True)
            own.mkdir(parents=True)
        yield temporary
        for done, folder in zip(temporary, folders, strict=True):
            _replace(done, folder)
    finally:
        for folder in temporary:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _aside(*folders: Path) -> Iterator[list[Path]]:
    """Write the contents of folders somewhere else: the first process of a training writes them."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = [Path(folder) / str(number) for number in range(len(folders))]
        for own in temporary:
            own.mkdir()
        yield temporary


def unfinished(folder: Path) -> Path | None:
    """Find where a running process is writing the contents of a folder, if there is one."""
    running = (path for path, process in _unfinished(folder) if psutil.pid_exists(process))
    return next(running, None)


def _temporary(folder: Path, process: int) -> Path:
    return folder.with_name(f".{folder.name}.{process}.tmp")


def _unfinished(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.parent.glob(f".{folder.name}.*.tmp"):
        number = path.name.removeprefix(f".{folder.name}.").removesuffix(".tmp")
        if number.isdigit():
            yield path, int(number)


def _replace(done: Path, folder: Path) -> None:
    """Move the contents of a temporary folder to the output folder; other files there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in done.iterdir():
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
