"""Running jobs on all cores, with results in order and few of them in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from loky import cpu_count, get_reusable_executor

Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function and its arguments, as `joblib.delayed` puts them together."""

AHEAD = 8
"""Jobs for each core that are begun before their results are asked for."""

SINGLE = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""Each process computes on one core, since there are as many processes as cores."""


def in_order(jobs: Iterable[Job]) -> Iterator[Any]:
    """Run jobs in as many processes as there are cores.

    A job is not begun, nor taken from `jobs`, before all but the last few results have been taken.
    So memory does not grow with the number of jobs, however slow what takes the results is;
    joblib's own generators run all jobs without waiting.

    Parameters
    ----------
    jobs : iterable of Job
        Functions of modules, with arguments that are small.

    Yields
    ------
    The results, in the order of the jobs. What a job raises is raised here.
    """
    cores = cpu_count()
    executor = get_reusable_executor(max_workers=cores, env=SINGLE)
    begun: deque[Future] = deque()
    try:
        for function, arguments, named in jobs:
            begun.append(executor.submit(function, *arguments, **named))
            if len(begun) == AHEAD * cores:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        if begun:  # nobody wants the rest
            executor.shutdown(kill_workers=True)
