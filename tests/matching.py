"""The search for matches as its definition says, for tests of what is fast."""

from collections.abc import Hashable, Sequence

from ostinato.notes.parts.matches import LONGEST


def match(codes: Sequence[Hashable], step: int, reach: int) -> tuple[int, int]:
    """Lag and length of the longest context of a step that was there before; None is like none."""
    best = 0, 0
    for lag in range(1, min(reach, step) + 1):
        length = 0
        while length < min(LONGEST, step - lag) and codes[step - 1 - length] is not None:
            if codes[step - 1 - length] != codes[step - 1 - length - lag]:
                break
            length += 1
        if length > best[1]:
            best = lag, length
    return best
