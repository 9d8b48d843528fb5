"""Picking rows of the states of models, whatever they consist of."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


class Rows:
    """Picks rows of states, which are tuples and lists of tensors, of any depth.

    Each tensor has an axis along which it grows with the number of rows. Where a row has several
    places along it, such as one for each key, they are next to each other.

    Parameters
    ----------
    make : callable
        Makes a state with so many rows.
    """

    def __init__(self, make: Callable[[int], Any]):
        self._places = [
            _place(*both) for both in zip(*map(_tensors, map(make, (1, 2))), strict=True)
        ]

    def __call__(self, state: Any, rows: Tensor) -> Any:
        """Pick some rows, any number of times each: Tensor[N] of int64 to a state of N rows."""
        picked = (
            tensor.index_select(
                axis, (rows[:, None] * each + torch.arange(each).to(rows)).flatten()
            )
            for tensor, (axis, each) in zip(_tensors(state), self._places, strict=True)
        )
        return _with(state, picked)


def _place(one: Tensor, two: Tensor) -> tuple[int, int]:
    """Find the axis that has twice as many places for two rows, and how many a row has."""
    [axis] = [i for i, (n, m) in enumerate(zip(one.shape, two.shape, strict=True)) if n != m]
    return axis, one.shape[axis]


def _tensors(state: Any) -> Iterator[Tensor]:
    """List the tensors of a state."""
    if isinstance(state, Tensor):
        yield state
    elif state is not None:
        for part in state:
            yield from _tensors(part)


def _with(state: Any, tensors: Iterator[Tensor]) -> Any:
    """Put other tensors into a state."""
    if isinstance(state, Tensor):
        return next(tensors)
    if state is None:
        return None
    parts = [_with(part, tensors) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
