"""Matches: where the music was before as it is now, and what came next.

A step's context are the steps before it. The match of a step is the earlier step with the longest
context in common, the last of them if there are several: what came there is a good guess of what
comes now. So guess PPM (Cleary and Witten, 1984) and its offspring in compression; with the length
of the match as an input, a network learns itself how far to trust it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

LONGEST = 32
"""Steps at which a context is compared at the most; longer ones count as this long."""

CACHED = 2**19
"""Runs that are followed at once, so that they stay in the processor's cache."""

UNKNOWN = -1
"""Code of the steps before the first note: they are like no step, themselves included."""


class State(NamedTuple):
    """What is kept between calls, for R steps that are searched.

    Attributes
    ----------
    codes : Tensor[B, R, C] of int64 or int32
        The steps before the next one.
    run : Tensor[B, R, C] of int32
        R times the length of the context that each of them has in common with the next step.
    """

    codes: Tensor
    run: Tensor


class Match(NamedTuple):
    """The match of each step.

    Attributes
    ----------
    lag : Tensor[B, T, C] of int64
        How many steps ago it was; 0 where there is none.
    length : Tensor[B, T, C] of int64
        Steps that both contexts have in common.
    """

    lag: Tensor
    length: Tensor


def initial(codes: Tensor, reach: int) -> State:
    """Make the state at the beginning of a sequence.

    Parameters
    ----------
    codes : Tensor[B, P, C] of int64 or int32
        What was played before it, C sequences beside each other: equal numbers for equal steps.
    reach : int
        R, steps back that are searched.

    Returns
    -------
    State
    """
    short = max(reach + LONGEST - codes.shape[1], 0)
    known = functional.pad(codes, (0, 0, short, 0), value=UNKNOWN)[:, -(reach + LONGEST) :]
    # Contexts are no longer than this, so that nothing earlier counts.
    earlier = known[:, :reach]
    state = State(earlier, torch.zeros_like(earlier, dtype=torch.int32))
    return follow(known[:, reach:], state)[1]


def follow(codes: Tensor, state: State) -> tuple[Match, State]:
    """Find the match of each step, then hear the step.

    Parameters
    ----------
    codes : Tensor[B, T, C] of int64 or int32
        The steps that follow.
    state : State

    Returns
    -------
    Match
        Of each step, found before it is heard.
    State
        After the last.
    """
    reach, steps = state.codes.shape[1], codes.shape[1]
    few = max(1, CACHED // (reach * codes.shape[2]))
    if len(codes) > few and codes.device.type == "cpu":
        parts = zip(codes.split(few), *(each.split(few) for each in state), strict=True)
        found, after = zip(*(follow(part, State(*before)) for part, *before in parts), strict=True)
        return Match(*_together(found)), State(*_together(after))
    known = torch.cat([state.codes, codes], 1)
    # Lags that lead to steps before the first note, in all of these steps, are passed over.
    unknown = (state.codes == UNKNOWN).all(2).all(0).cumprod(0).sum()
    skip = max(int(unknown) - steps, 0)
    run, best = state.run[:, skip:], []
    for step in range(steps):
        best.append(_best(run, skip))
        now = known[:, reach + step, None]
        same = (known[:, skip + step : reach + step] == now) & (now != UNKNOWN)
        run = (run + reach).clamp_(max=reach * LONGEST) * same
    after = State(known[:, steps:], functional.pad(run, (0, 0, skip, 0)))
    return _match(torch.stack(best, 1), reach), after


def _together(parts: Iterable[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.cat(each) for each in zip(*parts, strict=True)]


def find(state: State) -> Match:
    """Find the match of the next step alone, T = 1."""
    return _match(_best(state.run)[:, None], state.run.shape[1])


def _best(run: Tensor, skip: int = 0) -> Tensor:
    """Choose the longest run, the last of several: Tensor[B, R - skip, C] to Tensor[B, C]."""
    place = torch.arange(skip, skip + run.shape[1], dtype=run.dtype, device=run.device)[:, None]
    return (run + place).amax(1)


def _match(best: Tensor, reach: int) -> Match:
    best = best.long()
    length = best // reach
    return Match((reach - best % reach) * (length > 0), length)
