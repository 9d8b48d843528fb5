"""Positions: where each step stands in its bar and in its piece, and where the piece is heading."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ostinato.notes.data.rolls import CLASSES

STEP, PLACE, BAR, BEAT, NUMBER, LEFT, PICKUP, END, FINAL, SHIFT = range(10)
"""Columns of an array of positions: the index of the step in its piece; its place in the bar, and
the lengths of the bar and of its beats, all in steps; how many bars came before this one; how many
are left, this one included; at which place of its bar the first note of the piece stands, which
tells whether there is a pickup; how many steps are left until the last note has ended; the pitch
class, C is 0, of the lowest note of the last chord, which modal theory calls the final; and by how
many semitones the piece was transposed."""

UNKNOWN = CLASSES
"""The final of a piece that has none yet."""


class Bars(NamedTuple):
    """Bars of equal length, from a step on, until the next ones begin.

    Attributes
    ----------
    step : int
        Where they begin.
    bar, beat : int
        Lengths of a bar and of its beats, in steps.
    """

    step: int
    bar: int
    beat: int


def close_of(notes: np.ndarray) -> tuple[int, int]:
    """Find the step at which the last of some notes end, and the final: see `STEP`.

    ndarray[STEP_NOTE], one at least.
    """
    ends = notes["onset"] + notes["length"]
    return int(ends.max()), int(notes["pitch"][ends == ends.max()].min()) % CLASSES


class Positions:
    """The positions of all steps of a piece.

    Parameters
    ----------
    bars : sequence of Bars
        In order; the first at step 0. A bar ends early where the next ones begin.
    steps : int
        At least so many steps belong to the piece. Its last bar is complete.
    first : int
        The step of the first note.
    end : int, optional
        The step at which the last note ends. By default, the last bar and the pickup make a bar
        together.
    final : int
        See `STEP`.

    Attributes
    ----------
    steps : int
        Length of the piece, to the end of its last bar.
    """

    def __init__(
        self,
        bars: Sequence[Bars],
        steps: int,
        first: int = 0,
        end: int | None = None,
        final: int = UNKNOWN,
    ):
        ends = [*(each.step for each in bars[1:]), max(steps, 1)]
        pairs = [
            (each, np.arange(each.step, min(end, max(steps, 1)), each.bar))
            for each, end in zip(bars, ends, strict=True)
        ]
        self._starts = np.concatenate([starts for _, starts in pairs])
        lengths = [np.tile([each.bar, each.beat], (len(starts), 1)) for each, starts in pairs]
        self._lengths = np.concatenate(lengths)
        self.steps = int(self._starts[-1] + self._lengths[-1, 0])
        number = np.searchsorted(self._starts, first, "right") - 1
        self._pickup = first - int(self._starts[number])
        missing = int(self._lengths[number, 0]) - self._pickup if self._pickup else 0
        self._end = max(self.steps - missing, 0) if end is None else end
        self._final = final

    def __call__(self, start: int, steps: int, shift: int = 0) -> np.ndarray:
        """Describe some steps.

        Parameters
        ----------
        start, steps : int
            The first step, at least 0, and how many. After the last bar come more of the same
            length, with none left.
        shift : int
            By how many semitones the piece is transposed.

        Returns
        -------
        ndarray[int64], shape [steps, 10]
            See `STEP`.
        """
        step = np.arange(start, start + steps)
        number = np.searchsorted(self._starts, step, "right") - 1
        bar, beat = self._lengths[number].T
        more, place = np.divmod(step - self._starts[number], bar)
        left = np.maximum(len(self._starts) - number - more, 0)
        end = np.maximum(self._end - step, 0)
        final = self._final if self._final == UNKNOWN else (self._final + shift) % CLASSES
        columns = step, place, bar, beat, number + more, left, self._pickup, end, final, shift
        return np.stack(np.broadcast_arrays(*columns), -1)
