"""Progress: a bar with the time left in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 15


def progress(items: Iterable[Item], total: int, what: str, first: int = 0) -> Iterator[Item]:
    """Go through items and show how far it has come, on standard error.

    Parameters
    ----------
    items : iterable
        What to go through.
    total : int
        How many there are, those done before included.
    what : str
        What is done, for the bar's label.
    first : int
        How many were done before (a training that is resumed).

    Yields
    ------
    The items.
    """
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
            print(f"{what}: {done} of {total}, {left:.0f} s left", file=sys.stderr, flush=True)
