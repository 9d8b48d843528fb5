"""What all stages share: parameter checks, temporary output folders, and short error messages."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from ostinato.core import ranks, workers
from ostinato.core.errors import UserError
from ostinato.core.params import Params, read_params


@contextmanager
def stage(*outputs: str) -> Iterator[tuple[Params, list[Path]]]:
    """Run the body of a stage.

    The body writes into temporary folders. If it succeeds, their contents are moved to the output
    folders; if it fails, they are deleted. So a failed stage leaves no incomplete results. Neither
    does one whose dvc was killed: whoever runs it next may want something else.

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
        own = replacing if ranks.first() else _aside
        with workers.on(params.workers), own(*map(Path, outputs)) as temporary:
            yield params, temporary
            if ranks.first() and ranks.orphaned():
                raise UserError(f"{', '.join(outputs)}: dvc has ended, so nothing is written")
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(_line(error, list(map(Path, outputs))))
    except KeyboardInterrupt:
        sys.exit("stopped")


def _line(error: OSError, outputs: list[Path]) -> str:
    """Say in one line where the operating system refused something, and what to do about it."""
    where = str(error.filename or ", ".join(map(str, outputs)))
    for folder in outputs:
        where = where.replace(str(_temporary(folder, os.getpid())), str(folder))
    line = f"{where}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        line += "; make room and run it again"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        line += "; its folder has to be writable"
    else:
        return line
    from ostinato.core import cache  # which imports much, and is not needed before

    own = Path(where).is_relative_to(cache.folder(""))
    return line + (", or OSTINATO_CACHE has to name another folder" if own else "")


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
        A temporary folder for each. Those that other processes have left, or are still writing to,
        are removed.

    Raises
    ------
    UserError
        When another process has begun to write the same since; nothing is replaced then.
    """
    temporary = [_temporary(folder, os.getpid()) for folder in folders]
    with ExitStack() as stack:
        stack.callback(_remove, *temporary)
        for folder, own in zip(folders, temporary, strict=True):
            _remove(*(path for path, _ in _unfinished(folder)))
            own.mkdir(parents=True)
        # As long as a folder is open, no other one gets its number.
        opened = [os.open(own, os.O_RDONLY) for own in temporary]
        for descriptor in opened:
            stack.callback(os.close, descriptor)
        yield temporary
        for folder, own, descriptor in zip(folders, temporary, opened, strict=True):
            if not (own.exists() and os.path.samestat(own.stat(), os.fstat(descriptor))):
                raise UserError(f"{folder}: another process writes it now, so this one does not")
        for done, folder in zip(temporary, folders, strict=True):
            _replace(done, folder)


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


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


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
