"""What is given of a step, and drawing the rest of it.

Of each key, it may be given that it is silent, struck or held, or any two of these, or nothing. A
note that is given is struck at one step and held at those that follow; at the step after its end it
is not held, since that would make it longer.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.core.categorical import draw_at
from ostinato.notes.parts.ascending import by_part

SILENT, STRUCK, HELD = range(3)
"""What a key may do at a step: columns of `Given.allowed`."""

ANY = 88
"""As many notes above a key as there are."""


class Given(NamedTuple):
    """What is given of a step.

    Attributes
    ----------
    allowed : Tensor[K, 3] of bool
        What each key may do; see `SILENT`.
    key, above : int
        At most so many keys above this key may sound, which tells a voice from those below it.
    most : int
        At most so many keys may sound, those given included.
    rest : float
        What it costs, in nats, if a key fewer sounds than that.
    strike : float
        What it costs to strike a key.
    """

    allowed: Tensor
    key: int = 0
    above: int = ANY
    most: int = ANY
    rest: float = 0.0
    strike: float = 0.0

    @property
    def everything(self) -> bool:
        """Whether nothing is left to draw."""
        return bool((self.allowed.sum(1) == 1).all())

    def fits(self, notes: Tensor) -> Tensor:
        """Tell which notes are those that are given, and others that are allowed.

        Parameters
        ----------
        notes : Tensor[..., K]
            1 where a key is struck, -1 where it is held.

        Returns
        -------
        Tensor[...] of bool
        """
        does = torch.where(notes > 0, STRUCK, torch.where(notes < 0, HELD, SILENT))
        keys = torch.arange(len(self.allowed), device=notes.device)
        above = (notes[..., self.key + 1 :] != 0).sum(-1)
        few = (above <= self.above) & ((notes != 0).sum(-1) <= self.most)
        return self.allowed[keys, does].all(-1) & few

    def price(self, notes: Tensor) -> Tensor:
        """What notes cost, in nats: Tensor[..., K] to Tensor[...]."""
        missing, struck = self.most - (notes != 0).sum(-1), (notes > 0).sum(-1)
        return self.rest * missing.double() + self.strike * struck.double()

    def next_needed(self, last: Tensor) -> Tensor:
        """Find the lowest key from `last` on that has to sound; K if there is none.

        Tensor[M] of int64 to the same.
        """
        count = len(self.allowed)
        keys = torch.arange(count, device=last.device)
        return torch.where(self._needed(last), keys, count).amin(1)

    def _needed(self, last: Tensor) -> Tensor:
        """Tell which keys from `last` on have to sound: Tensor[M] to Tensor[M, K] of bool."""
        keys = torch.arange(len(self.allowed), device=last.device)
        return ~self.allowed[:, SILENT] & (keys >= last[:, None])

    def _full(self, drawn: Tensor, last: Tensor) -> Tensor:
        """Tell where no key may sound any more but those that have to: Tensor[M, 1] of bool."""
        return ((drawn != 0).sum(1) + self._needed(last).sum(1) >= self.most)[:, None]

    def outcomes(self, drawn: Tensor, last: Tensor) -> Tensor:
        """Tell which outcomes of a draw are allowed, with keys drawn from the lowest on.

        Parameters
        ----------
        drawn : Tensor[M, K]
            What was drawn before it at the same step.
        last : Tensor[M] of int64
            The key drawn before it, plus 1; 0 if it is the first.

        Returns
        -------
        Tensor[M, 2 K + 1] of bool
            Strike a key, hold a key, "end".
        """
        count = len(self.allowed)
        keys = torch.arange(count, device=drawn.device)
        # No key that has to sound is passed over.
        first = self.next_needed(last)[:, None]
        can = (keys >= last[:, None]) & (keys <= first)
        above = (drawn[:, self.key + 1 :] != 0).sum(1, keepdim=True)
        can &= (above < self.above) | (keys <= self.key)
        can &= (keys == first) | ~self._full(drawn, last)
        strike, hold = (can & self.allowed[:, what] for what in (STRUCK, HELD))
        return torch.cat([strike, hold, first == count], 1)


def draw_given(
    logits: Callable[[Tensor, Tensor, int, Tensor], Tensor],
    given: Given,
    where: Tensor,
    uniforms: Tensor,
    temperature: float,
) -> tuple[Tensor, Tensor]:
    """Draw sets of notes of which something is given.

    Of all outcomes of a draw, those are left that are allowed. How probable these were together is
    the weight of the draw. The weighted sets are a sample of the distribution given what is given.

    Parameters
    ----------
    logits : callable
        As for `ascending.draw_notes`, with the context of each set in place of its index. Sets that
        are alike so far are computed once.
    given : Given
    where : Tensor[N] of int64
        The context of each set.
    uniforms : Tensor[N, most]
        Random numbers in [0, 1), one for each draw.
    temperature : float
        Of the choice between outcomes that are allowed; see `ascending.draw_notes`. Weights are
        those at temperature 1.

    Returns
    -------
    notes : Tensor[N, K]
        1 where a note was drawn, -1 where it is held.
    nats : Tensor[N]
        Logarithms of the weights; minus infinity where nothing was allowed.
    """
    keys = len(given.allowed)
    drawn = torch.zeros(len(where), keys, dtype=torch.int8, device=where.device)
    nats = torch.zeros(len(where), dtype=torch.float64, device=where.device)
    rows = torch.arange(len(where), device=where.device)
    for place in range(uniforms.shape[1]):
        if not len(rows):
            break
        seen = torch.cat([where[rows, None], drawn[rows].long()], 1)
        alike, same = torch.unique(seen, dim=0, return_inverse=True)
        context, so_far = alike[:, 0], alike[:, 1:].to(uniforms)
        latest = torch.where(so_far != 0, torch.arange(1, keys + 1, device=where.device), 0).amax(1)
        found = logits(so_far, latest, place, context).log_softmax(-1)
        ruled_out = ~given.outcomes(so_far, latest)
        allowed = found.masked_fill(ruled_out, -torch.inf)
        weights = allowed.logsumexp(-1).double()
        nats[rows] += weights[same]
        alive = weights.isfinite()[same]
        rows, same = rows[alive], same[alive]
        outcome = draw_at(by_part(allowed, temperature)[same], uniforms[rows, place], 1.0)
        more = outcome < 2 * keys
        rows, outcome = rows[more], outcome[more]
        drawn[rows, outcome % keys] = torch.where(outcome < keys, 1, -1).to(torch.int8)
    notes = drawn.to(uniforms)
    # A sampler that draws so many notes at most may not have come to all that are given.
    return notes, nats.masked_fill(~given.fits(notes), -torch.inf)
