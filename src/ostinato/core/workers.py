"""Loops over files: in processes of this machine, or on the workers of a Dask cluster.

Where a job runs does not change what it returns.
"""

import asyncio
import hashlib
import os
import pickle
import platform
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from uuid import uuid4

import loky

from ostinato.core import code
from ostinato.core.errors import UserError
from ostinato.core.progress import tell

Result = TypeVar("Result")
Job = partial[Result]
"""A function of a module, with all its arguments."""

LOCAL = "local"
"""What ``workers`` in params.yaml is, if it is not the address of a Dask scheduler."""

BATCH_SECONDS, BATCH_MOST = 0.25, 32
"""Jobs are handed out in batches that take about so long, of at most so many jobs, since handing
out a batch costs some milliseconds on a cluster."""

AHEAD, AHEAD_LEAST = 8, 256
"""So many batches for each core, on a cluster at least so many, are handed out before the results
of the first are taken: no core waits, and few results do, however many files there are."""

IDLE_SECONDS = 300
"""After which a local process ends, so that the next loop need not start it."""

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""The environment of local processes: there is one for each core. Dask does the same."""

CODE = "Ostinato's code"

_address: ContextVar[str] = ContextVar("workers", default=LOCAL)


@contextmanager
def on(address: str) -> Iterator[None]:
    """Choose where the loops of a block run.

    Parameters
    ----------
    address : str
        ``workers`` in params.yaml.
    """
    before = _address.set(address)
    try:
        yield
    finally:
        _address.reset(before)


def in_parallel(jobs: Iterable[Job[Result]]) -> Iterator[Result]:
    """Run jobs, many at once.

    On a cluster, a job whose worker dies runs again on another.

    Parameters
    ----------
    jobs : iterable of partial
        Each runs in a process in which no other runs at the same time, in the current folder, with
        libraries that use one thread.

    Yields
    ------
    What they return, in order.

    Raises
    ------
    UserError
        When processes that run a job are killed, which happens when memory is short; or when there
        is no such cluster, it is lost, or its workers differ from this process in their versions of
        Python, of this package or of a library, or in the files that they see.
    """
    address = _address.get()
    left, size = iter(jobs), 1
    with _processes() if address == LOCAL else _cluster(address) as (submit, ahead):
        waiting: deque[Future[tuple[float, list[Result]]]] = deque()
        while batch := list(islice(left, size)):
            waiting.append(submit(batch))
            if waiting[0].done():
                seconds, results = waiting[0].result()
                size = max(1, min(BATCH_MOST, int(BATCH_SECONDS * len(results) / seconds)))
            if len(waiting) == ahead:
                yield from waiting.popleft().result()[1]
        while waiting:
            yield from waiting.popleft().result()[1]


def _run(batch: list[Job[Result]], folder: Path) -> tuple[float, list[Result]]:
    """Run jobs in a folder; say how many seconds they took, and what they returned."""
    os.chdir(folder)
    start = time.monotonic()
    results = [job() for job in batch]
    return time.monotonic() - start + 1e-6, results


@contextmanager
def _processes() -> Iterator[tuple[Callable[[list[Job[Any]]], Future[Any]], int]]:
    """Give what submits batches to local processes, and how many to submit ahead."""
    pool = loky.get_reusable_executor(
        timeout=IDLE_SECONDS, env=ONE_THREAD, initializer=_end_with, initargs=(os.getpid(),)
    )
    try:
        yield lambda batch: pool.submit(_run, batch, Path.cwd()), AHEAD * loky.cpu_count()
    except BrokenProcessPool as error:
        raise UserError("a process was killed; is there too little memory?") from error
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may be killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Callable[[list[Job[Any]]], Future[Any]], int]]:
    """Give what submits batches to a cluster, and how many to submit ahead."""
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError as error:
        raise UserError(
            f"workers: {address} needs Dask: `pip install 'ostinato[cluster]'`; or set it to local"
        ) from error
    if not _is_scheduler(address):
        raise UserError(
            f"workers: no Dask scheduler answers at {address} within {CONNECT_SECONDS} seconds"
        )
    with Client(address, set_as_default=False) as client:
        pool, here = client.get_executor(), _versions(_libraries())

        def submit(batch: list[Job[Any]]) -> Future[Any]:
            # As bytes, since the scheduler need not import the functions.
            data = pickle.dumps(batch)
            key = f"{_about(batch)} {uuid4().hex}"
            return pool.submit(_run_there, data, Path.cwd(), here, key=key)

        cores = sum(client.ncores().values())
        if not cores:
            tell(f"workers: none at {address} yet, waiting for them")
        try:
            yield submit, max(AHEAD * cores, AHEAD_LEAST)
        except KilledWorker as error:
            raise UserError(
                f"workers: all were killed that ran {str(error.task).rpartition(' ')[0]}; "
                "have they too little memory?"
            ) from error
        except CancelledError as error:
            raise UserError(f"workers: the scheduler at {address} was lost") from error
        except (ModuleNotFoundError, RuntimeError) as error:
            # What the scheduler cannot import is the cause of a RuntimeError.
            missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
            if not isinstance(missing, ModuleNotFoundError):
                raise
            raise UserError(
                f"workers: at {address}, there is no module {missing.name}; install Ostinato for "
                "the scheduler and the workers as it is here"
            ) from error


def _is_scheduler(address: str) -> bool:
    """Say whether a Dask scheduler answers; a client would wait for any server that is silent."""
    from distributed import rpc
    from distributed.security import Security

    secured = Security().get_connection_args("client")

    async def kind() -> str:
        async with rpc(address, connection_args=secured) as server:
            return (await server.identity())["type"]

    try:
        return asyncio.run(asyncio.wait_for(kind(), CONNECT_SECONDS)) == "Scheduler"
    # What another server says may be read as a huge length; tls:// needs Dask to be configured.
    except (OSError, MemoryError, TypeError):
        return False


def _about(batch: list[Job[Any]]) -> str:
    """Say what a batch does, for people."""
    job = batch[0]
    paths = [str(each) for each in job.args if isinstance(each, Path)]
    more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
    text = f"{job.func.__name__} of {paths[0] if paths else job.args}{more}"
    return text.encode(errors="replace").decode()  # names of files may not be UTF-8


def _run_there(data: bytes, folder: Path, here: dict[str, str]) -> tuple[float, list[Any]]:
    """Run a pickled batch on a worker, if that is like the process that wants the results."""
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads > 1:
        raise UserError(
            f"workers: {worker.address} runs {worker.state.nthreads} jobs at once in a process; "
            "start workers with --nthreads 1, one for each core"
        )
    there = _versions(tuple(here))
    for name, version in here.items():
        if there[name] != version:
            raise UserError(
                f"workers: {worker.address} has {name} {there[name]}, not {version}; "
                "install the same there, and start it again"
            )
    if not folder.is_dir():
        raise UserError(
            f"workers: {worker.address} sees no folder {folder}; "
            "it needs the same files under the same paths"
        )
    return _run(pickle.loads(data), folder)


def _libraries() -> tuple[str, ...]:
    """List what results may depend on: Python, this package, and the libraries that it needs."""
    needed = [line for line in metadata.requires("ostinato") or () if "extra ==" not in line]
    return "Python", CODE, *(re.split(r"[^\w.-]", line)[0] for line in needed)


@cache
def _versions(names: tuple[str, ...]) -> dict[str, str]:
    """Find the versions of what `_libraries` lists; once, as the code of a process stays."""
    found = dict.fromkeys(names, "none")
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name).partition("+")[0]  # without a build, such as +cpu
    major, minor, _ = platform.python_version_tuple()
    return found | {"Python": f"{major}.{minor}", CODE: _digest()}


def _digest() -> str:
    """Hash the code of this package."""
    digest = hashlib.sha256()
    for path in sorted(code.FOLDER.rglob("*.py")):
        digest.update(path.relative_to(code.FOLDER).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]
