"""Repeats: in which order the bars of a notation are played."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_BARS = 100_000
"""Playing ends after so many bars: notation can ask for more than anybody would listen to."""


@dataclass
class Bar:
    """What stands at a bar.

    Attributes
    ----------
    forward : bool
        A repeat begins with it.
    backward : int
        How often what is repeated is played if a repeat ends with it; otherwise 0.
    endings : frozenset of int
        The rounds in which it is played, if it belongs to an ending of a repeat; otherwise none.
    segno, coda : bool
        It begins with this sign.
    fine, to_coda : bool
        After a jump back, the piece ends with it, or goes on at the coda.
    da_capo, dal_segno : bool
        After it, the piece goes on at its beginning, or at the segno.
    """

    forward: bool = False
    backward: int = 0
    endings: frozenset[int] = frozenset()
    segno: bool = False
    coda: bool = False
    fine: bool = False
    to_coda: bool = False
    da_capo: bool = False
    dal_segno: bool = False


def played(bars: Sequence[Bar]) -> list[int]:
    """List the bars as they are played.

    A repeat without a beginning begins after the one before it, or with the piece. After a jump
    back, nothing is repeated, and of endings, the last is played.

    Parameters
    ----------
    bars : sequence of Bar

    Returns
    -------
    list of int
        Indices.
    """
    order: list[int] = []
    here, begin, round_, jumped = 0, 0, 1, False
    while here < len(bars) and len(order) < MOST_BARS:
        bar, endings = bars[here], _endings(bars, here)
        if bar.forward and here > begin:
            begin, round_ = here, 1
        if bar.endings and bar.endings != _chosen(endings, round_, jumped):
            here += 1
            continue
        order.append(here)
        if jumped and bar.fine:
            break
        rounds = max(bar.backward, *map(max, endings)) if endings else bar.backward
        leaves = jumped and bar.to_coda
        coda = next((i for i in range(here + 1, len(bars)) if leaves and bars[i].coda), None)
        if coda is not None:
            here = coda
        elif bar.backward and round_ < rounds and not jumped:
            here, round_ = begin, round_ + 1
        elif (bar.da_capo or bar.dal_segno) and not jumped:
            signs = (i for i in range(here, -1, -1) if bar.dal_segno and bars[i].segno)
            here, jumped = next(signs, 0), True
        else:
            here += 1
            # A repeat is over after its last round, and after its last ending.
            last = bar.endings and not any(each.endings for each in bars[here : here + 1])
            if bar.backward or last:
                begin, round_ = here, 1
    return order


def _chosen(endings: Sequence[frozenset[int]], round_: int, jumped: bool) -> frozenset[int] | None:
    """Choose the ending of a round: the last one after a jump, or if several have none for it."""
    fit = [] if jumped else [each for each in endings if round_ in each]
    if fit:
        return fit[0]
    return endings[-1] if jumped or len(set(endings)) > 1 else None


def _endings(bars: Sequence[Bar], here: int) -> list[frozenset[int]]:
    """List the endings that stand side by side with a bar's, with its own, in order."""
    first = last = here
    while first >= 0 and bars[first].endings:
        first -= 1
    while last < len(bars) and bars[last].endings:
        last += 1
    return [bar.endings for bar in bars[first + 1 : last]]
