"""Matches: where the music was the same before, and what came next.

The context of a step is the steps before it. The match of a step is the earlier step that has the
longest context in common with it, or the latest of these if there are several. What came there is a
good guess of what comes now. PPM (Cleary and Witten, 1984) and its successors in data compression
predict in this way. A network that is given the length of the match can learn how far to trust it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

LONGEST = 32
"""Longest context that is compared, in steps; longer ones count as this long."""

CACHED = 2**19
"""Number of runs that are updated at once, so that they stay in the processor's cache."""

UNKNOWN = -1
"""Code of the steps before the first note. They equal no step, not even each other."""


class State(NamedTuple):
    """What is kept between calls, if R steps are searched.

    Attributes
    ----------
    codes : Tensor[B, R, C] of int64 or int32
        The R steps before the next one.
    run : Tensor[B, R, C] of int32
        R times the length of the context that each of them has in common with the next step.
    """

    codes: Tensor
    run: Tensor


class Match(NamedTuple):
    """The match of each of T steps.

    Attributes
    ----------
    lag : Tensor[B, T, C] of int64
        How many steps ago it was; 0 if there is none.
    length : Tensor[B, T, C] of int64
        Number of steps that both contexts have in common.
    """

    lag: Tensor
    length: Tensor


def initial(codes: Tensor, reach: int) -> State:
    """Make the state at the beginning of a sequence.

    Parameters
    ----------
    codes : Tensor[B, P, C] of int64 or int32
        The steps before it, as C parallel sequences of codes; equal steps have equal codes.
    reach : int
        R, number of steps back that are searched.

    Returns
    -------
    State
    """
    short = max(reach + LONGEST - codes.shape[1], 0)
    known = functional.pad(codes, (0, 0, short, 0), value=UNKNOWN)[:, -(reach + LONGEST) :]
    # The LONGEST steps after these are a whole context, so earlier ones do not count.
    earlier = known[:, :reach]
    state = State(earlier, torch.zeros_like(earlier, dtype=torch.int32))
    return follow(known[:, reach:], state)[1]


def follow(codes: Tensor, state: State) -> tuple[Match, State]:
    """Process steps, and find the match of the step after each.

    Parameters
    ----------
    codes : Tensor[B, T, C] of int64 or int32
        The steps that follow.
    state : State

    Returns
    -------
    Match
        That of the step after each.
    State
        The state after the last step.
    """
    reach, steps = state.codes.shape[1], codes.shape[1]
    few = max(1, CACHED // (reach * codes.shape[2]))
    if len(codes) > few and codes.device.type == "cpu":
        parts = zip(codes.split(few), *(each.split(few) for each in state), strict=True)
        found, after = zip(*(follow(part, State(*before)) for part, *before in parts), strict=True)
        return Match(*_together(found)), State(*_together(after))
    known = torch.cat([state.codes, codes], 1)
    skip = 0
    if codes.device.type == "cpu":  # elsewhere, asking how many there are would take longer
        # Lags that lead to before the first note, at all of these steps, are skipped.
        unknown = (state.codes[..., 0] == UNKNOWN).all(0).cumprod(0).sum()
        skip = max(int(unknown) - steps, 0)
    place = torch.arange(skip, reach, dtype=torch.int32, device=codes.device)[:, None]
    run, best = state.run[:, skip:], []
    for step in range(steps):
        now = known[:, reach + step, None]
        same = (known[:, skip + step : reach + step] == now) & (now != UNKNOWN)
        run = (run + reach).clamp_(max=reach * LONGEST).mul_(same)
        best.append((run + place).amax(1))  # the longest run; the latest of several
    after = State(known[:, steps:], functional.pad(run, (0, 0, skip, 0)))
    found = torch.stack(best, 1).long() if best else known[:, :0].long()
    length = found // reach
    return Match((reach - found % reach) * (length > 0), length), after


def _together(parts: Iterable[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.cat(each) for each in zip(*parts, strict=True)]
