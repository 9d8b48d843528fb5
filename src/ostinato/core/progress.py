"""Progress: a bar with the remaining time in a terminal, otherwise a line every few seconds."""

import sys
import time
from collections.abc import Iterable, Iterator
from multiprocessing import current_process
from typing import TypeVar

from tqdm import tqdm

from ostinato.core import ranks

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 15


def tell(line: str) -> None:
    """Print a line for people on standard error."""
    print(line, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], total: int, what: str, first: int = 0) -> Iterator[Item]:
    """Iterate over items and show the progress on standard error, except in worker processes.

    Parameters
    ----------
    items : iterable
        What to iterate over.
    total : int
        The number of items, including those that were done before.
    what : str
        What is being done; the label of the bar.
    first : int
        The number of items that were done before, when a training is resumed.

    Yields
    ------
    The items.
    """
    if current_process().name != "MainProcess" or not ranks.first():
        yield from items
        return
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, initial=first, desc=what, leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, first + 1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) / (done - first) * (total - done)
            tell(f"{what}: {done} of {total}, {left:.0f} s left")
