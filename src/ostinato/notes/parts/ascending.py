"""Ascending: a set of notes as the sequence from its lowest note to its highest, then "end".

A set and its sorted sequence are the same thing, so drawing note after note gives an exact
distribution over sets. What the ordered sampler and the ordered decoder share stands here: the
draws that known notes consist of, and a network for the logits of a draw. It thinks in intervals:
it sees what lies around the note drawn last, and what it says about a key depends on the key's
distances to the notes drawn and to those struck lately, by weights that all keys share.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at
from ostinato.notes.data.rolls import CLASSES

SPANS = 1, 4, 16, 64
"""S = 4 speeds of forgetting what was struck: steps until a trace has fallen to 1/e. The step
before alone would say little: in chorales of sixteenths it is nearly always silent."""

REACH = 4 * max(SPANS)
"""Steps after which what was struck is as good as forgotten."""

WIDEST = 24
"""Semitones of the widest interval that counts as one; pitch classes lie on a ring instead."""


class Draws(NamedTuple):
    """The M draws that known notes consist of, step after step.

    Attributes
    ----------
    step : Tensor[M] of int64
        To which step a draw belongs.
    place : Tensor[M] of int64
        How many draws of the step come before it.
    last : Tensor[M] of int64
        The key drawn before it, plus 1; 0 if it is the first.
    drawn : Tensor[M, K]
        1 where a key was drawn before it.
    outcome : Tensor[M] of int64
        The key that it gives, or K for "end".
    """

    step: Tensor
    place: Tensor
    last: Tensor
    drawn: Tensor
    outcome: Tensor


def draws_of(notes: Tensor, most: int) -> Draws:
    """Take sets of notes apart.

    Parameters
    ----------
    notes : Tensor[N, K]
        0 or 1.
    most : int
        Draws of a step at the most; the "end" after so many notes is certain, and no draw.

    Returns
    -------
    Draws
    """
    keys = notes.shape[1]
    begun = functional.pad(notes, (1, 0), value=1)
    step, last = begun.nonzero(as_tuple=True)
    place = begun.long().cumsum(1)[step, last] - 1
    # Behind the last draw of a step comes the first of another, whose `last` is 0.
    outcome = (last.roll(-1) - 1) % (keys + 1)
    drawable = place < most
    step, place, last, outcome = (each[drawable] for each in (step, place, last, outcome))
    drawn = notes[step] * (torch.arange(keys, device=notes.device) < last[:, None])
    return Draws(step, place, last, drawn, outcome)


def draw_notes(
    logits: Callable[[Tensor, Tensor, int], Tensor],
    silence: Tensor,
    uniforms: Tensor,
    temperature: float,
) -> Tensor:
    """Draw sets of notes.

    Parameters
    ----------
    logits : callable
        (`Draws.drawn`, `Draws.last`, place) -> Tensor[N, K + 1], minus infinity for what is ruled
        out.
    silence : Tensor[N, K]
        Zeros.
    uniforms : Tensor[N, most]
        Random numbers in [0, 1), one for each draw.
    temperature : float
        Logits are divided by it; at 0 each draw takes the most probable outcome.

    Returns
    -------
    Tensor[N, K]
        1 where a note was drawn.
    """
    keys = silence.shape[1]
    drawn = silence
    last = torch.zeros(len(silence), dtype=torch.int64, device=silence.device)
    ended = last > 0
    for place in range(uniforms.shape[1]):
        found = logits(drawn, last, place)
        outcome = draw_at(found, uniforms[:, place], temperature)
        ended = ended | (outcome == keys)
        if ended.all():
            break
        outcome = outcome.masked_fill(ended, keys)
        drawn = drawn + functional.one_hot(outcome, keys + 1)[:, :keys].to(drawn.dtype)
        last = torch.where(ended, last, outcome + 1)
    return drawn


def total(values: Tensor, draws: Draws, steps: int, most: int) -> Tensor:
    """Sum what belongs to the draws of each step: Tensor[M] to Tensor[steps]."""
    table = values.new_zeros(steps, most)
    return table.index_put((draws.step, draws.place), values).sum(-1)


def never(like: Tensor, keys: int) -> Tensor:
    """Make the ages where nothing was struck: infinity, Tensor[B, 1, K]."""
    return like.new_full((len(like), 1, keys), torch.inf)


def ages(notes: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
    """Count the steps since each key was struck.

    Parameters
    ----------
    notes : Tensor[B, T, K]
        1 where a key is struck.
    age : Tensor[B, 1, K]
        The ages at the first of these steps: 1 for what the step before struck.

    Returns
    -------
    ages : Tensor[B, T, K]
        At each step, which does not count itself.
    age : Tensor[B, 1, K]
        At the step after them.
    """
    now = torch.arange(notes.shape[1] + 1, device=notes.device, dtype=age.dtype)[:, None]
    struck = torch.where(notes > 0, now[:-1], -torch.inf)
    found = now - torch.cat([-age, struck], 1).cummax(1).values
    return found[:, :-1], found[:, -1:]


def traces(age: Tensor) -> Tensor:
    """Turn ages into what is still remembered of them: Tensor[..., K] to Tensor[..., S, K]."""
    spans = torch.tensor(SPANS, device=age.device, dtype=age.dtype)
    return torch.exp((1 - age[..., None, :]) / spans[:, None])


class Ascending(nn.Module):
    """The network that gives the logits of a draw.

    Parameters
    ----------
    context : int
        C, numbers that it is told about a step.
    keys : int
        K; 12 are taken for pitch classes.
    hidden : int
        H, width of its two layers.
    more : int
        Numbers that it is told about a draw.
    """

    def __init__(self, context: int, keys: int, hidden: int, more: int = 0):
        super().__init__()
        self.keys = keys
        # Keys lie on a ring with so many empty places that intervals never reach around it.
        self.below = 0 if keys == CLASSES else min(WIDEST, keys - 1)
        self.ring = keys + self.below
        intervals = CLASSES if keys == CLASSES else 2 * self.below + 1
        self.register_buffer("intervals", torch.arange(intervals) - self.below, persistent=False)
        memories, sources = len(SPANS), 2 + len(SPANS)
        self.of_step = nn.Linear(context + memories * keys, hidden)
        self.of_draw = nn.Linear(2 * keys + (1 + memories) * intervals + more, hidden)
        self.deeper = nn.Linear(hidden, hidden)
        self.absolute = nn.Linear(hidden, keys + 1)
        self.relative = nn.Linear(hidden, sources * intervals)

    def prepare(self, context: Tensor, memory: Tensor) -> Tensor:
        """Compute what all draws of a step share.

        Parameters
        ----------
        context : Tensor[N, C]
        memory : Tensor[N, S, K]
            From `traces`.

        Returns
        -------
        Tensor[N, H]
        """
        return self.of_step(torch.cat([context, memory.flatten(1)], -1))

    def forward(
        self, prepared: Tensor, memory: Tensor, drawn: Tensor, last: Tensor, *more: Tensor
    ) -> Tensor:
        """Compute the logits of draws; keys that are not above the last are not yet ruled out.

        Parameters
        ----------
        prepared : Tensor[M, H]
            From `prepare`, for the step of each draw.
        memory : Tensor[M, S, K]
            From `traces`, likewise.
        drawn : Tensor[M, K]
        last : Tensor[M] of int64
            As in `Draws`.
        more : Tensor[M, any]
            What else it is told.

        Returns
        -------
        Tensor[M, K + 1]
            At least float32; "end" stands last.
        """
        newest = functional.one_hot(last, self.keys + 1)[:, 1:].to(drawn.dtype)
        known = torch.cat([drawn[:, None], memory], 1)
        around = self._around(known, last).flatten(1)
        hidden = functional.silu(
            prepared + self.of_draw(torch.cat([newest, drawn, around, *more], -1))
        )
        hidden = hidden + functional.silu(self.deeper(hidden))
        logits, kernels = self.absolute(hidden), self.relative(hidden)
        wide = torch.promote_types(logits.dtype, torch.float32)
        sources = torch.cat([newest[:, None], known], 1).to(wide)
        kernels = kernels.to(wide).unflatten(-1, (-1, len(self.intervals)))
        return logits.to(wide) + functional.pad(self._spread(sources, kernels), (0, 1))

    def _around(self, values: Tensor, last: Tensor) -> Tensor:
        """See what lies at each interval from the last key; nothing before the first draw.

        Tensor[M, any, K] to Tensor[M, any, intervals].
        """
        places = (last[:, None] - 1 + self.intervals) % self.ring
        padded = functional.pad(values, (0, self.below))
        seen = padded.gather(-1, places[:, None].expand(-1, values.shape[1], -1))
        return seen * (last > 0)[:, None, None]

    def _spread(self, sources: Tensor, kernels: Tensor) -> Tensor:
        """Sum, for each key, the kernels' values at its intervals from all sources.

        Tensor[M, any, K] and Tensor[M, any, intervals] to Tensor[M, K]: a convolution with a kernel
        of its own for each draw, for which the Fourier transform is the cheapest way.
        """
        waves = torch.fft.rfft(sources, self.ring) * torch.fft.rfft(kernels, self.ring)
        return torch.fft.irfft(waves.sum(1), self.ring)[:, self.below : self.below + self.keys]
