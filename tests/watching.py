"""How many of the results of jobs are in memory at a time."""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from ostinato.core.workers import Job


class Tokens(list):
    """A list that can be watched."""


class Alive:
    """Counts objects that somebody still holds.

    Attributes
    ----------
    most : int
        The largest number of them at a time.
    """

    def __init__(self):
        self._now = self.most = 0

    def count(self, each: Any) -> None:
        """Count an object from now on, until nobody holds it."""
        weakref.finalize(each, self._died)
        self._now += 1
        self.most = max(self.most, self._now)

    def _died(self) -> None:
        self._now -= 1

    def in_parallel(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Run jobs here, one by one, and count the arrays or lists that they return."""
        for job in jobs:
            result = job()
            if isinstance(result, list):
                result = Tokens(result)
            self.count(result[0] if isinstance(result, tuple) else result)
            yield result
