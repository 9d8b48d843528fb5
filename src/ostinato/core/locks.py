"""Locks on folders of the cache: of several processes, one computes and the others wait."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from platform import node

import psutil
from filelock import FileLock, Timeout

from ostinato.core.errors import UserError
from ostinato.core.progress import tell

WAITING = "waiting-"
"""What the name of a file begins with that a waiting process leaves; then come its number and its
machine, since several may share a folder."""


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder.

    The lock ends with the process, however that ends.

    Parameters
    ----------
    folder : Path
        It is made if it is not there. Temporary files in it are removed: only who holds the lock
        writes there, so killed processes have left them.
    what : str
        What is done there, for the message of who has to wait.

    Raises
    ------
    UserError
        When the file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", fallback_to_soft=False)
    waiting = folder / f"{WAITING}{os.getpid()}-{node()}"
    waiting.touch()
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell(f"{what}: waiting for another process that does the same")
            lock.acquire()
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        raise UserError(
            f"{folder}: its file system cannot lock files; OSTINATO_CACHE has to name a folder of "
            "another one, such as a local disk"
        ) from error
    finally:
        waiting.unlink(missing_ok=True)
    try:
        for left in folder.glob(".*.tmp"):
            left.unlink()
        yield
    finally:
        lock.release()


def awaited(folder: Path) -> bool:
    """Say whether another process waits for the lock of a folder; one of another machine may."""
    names = (path.name.removeprefix(WAITING) for path in folder.glob(f"{WAITING}*"))
    found = (name.split("-", 1) for name in names)
    return any(host != node() or psutil.pid_exists(int(number)) for number, host in found)
