"""Ascending: a set of notes as the sequence from its lowest note to its highest, then "end".

A set corresponds to exactly one sorted sequence, so drawing one note after another gives an exact
distribution over sets. This module contains what the ordered sampler and the ordered decoder share:
how to split known notes into draws, and a network for the logits of a draw. The network works with
intervals. It sees what lies around the note drawn last, and the logit of a key depends on its
distances to the notes drawn and to those struck recently, with weights that all keys share.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at, sharpen, wide
from ostinato.notes.data.rolls import CLASSES

SPANS = 1, 4, 16, 64
"""S = 4 time constants: steps until the trace of a struck key has decayed to 1/e. The previous step
alone would say little: in chorales on a grid of sixteenths, it is usually silent."""

REACH = 4 * max(SPANS)
"""Number of steps after which a struck key is practically forgotten."""

WIDEST = 24
"""Widest interval that the network sees, in semitones; pitch classes lie on a ring instead."""


FEW = 128
"""With more rows than this, those whose draws have ended are dropped. Fewer stay together: results
of matrix products depend on the number of rows, and a piece must not depend on the others."""


class Draws(NamedTuple):
    """The M draws that produce known notes, step by step.

    Attributes
    ----------
    step : Tensor[M] of int64
        Index of the step to which a draw belongs.
    place : Tensor[M] of int64
        Number of draws of the same step before it.
    last : Tensor[M] of int64
        The key drawn before it, plus 1; 0 if it is the first.
    drawn : Tensor[M, K]
        What was drawn before it at the same step.
    outcome : Tensor[M] of int64
        The key that is drawn, or K for "end". With lengths, the key if it is struck, the key plus K
        if it is held, or 2 K for "end".
    """

    step: Tensor
    place: Tensor
    last: Tensor
    drawn: Tensor
    outcome: Tensor


def draws_of(notes: Tensor, most: int, lengths: bool = False) -> Draws:
    """Split sets of notes into draws.

    Parameters
    ----------
    notes : Tensor[N, K]
        0 or 1; with lengths, also -1 where a key is held.
    most : int
        Maximum number of draws at a step. After as many notes, "end" is certain and not drawn.
    lengths : bool
        Whether notes have lengths.

    Returns
    -------
    Draws
    """
    keys = notes.shape[1]
    begun = functional.pad(notes != 0, (1, 0), value=True)
    step, last = begun.nonzero(as_tuple=True)
    place = begun.long().cumsum(1)[step, last] - 1
    # After the last draw of a step comes the first of another, whose `last` is 0.
    outcome = (last.roll(-1) - 1) % (keys + 1)
    drawable = place < most
    step, place, last, outcome = (each[drawable] for each in (step, place, last, outcome))
    drawn = notes[step] * (torch.arange(keys, device=notes.device) < last[:, None])
    if lengths:
        held = functional.pad(notes[step] < 0, (0, 1), value=True)
        outcome = outcome + keys * held.gather(1, outcome[:, None])[:, 0]
    return Draws(step, place, last, drawn, outcome)


def draw_notes(
    logits: Callable[[Tensor, Tensor, int, Tensor], Tensor],
    silence: Tensor,
    uniforms: Tensor,
    temperature: float,
) -> Tensor:
    """Draw sets of notes.

    Parameters
    ----------
    logits : callable
        (drawn, last, place, rows) -> logits, Tensor[M, K + 1], minus infinity for outcomes that are
        ruled out. `rows`, Tensor[M] of int64, are the indices of M sets; `drawn` and `last` are
        those of `Draws`, and `place` is the same for all. With lengths, Tensor[M, 2 K + 1]: strike
        a key, hold a key, "end".
    silence : Tensor[N, K]
        Zeros.
    uniforms : Tensor[N, most]
        Random numbers in [0, 1), one for each draw.
    temperature : float
        Logits are divided by it; at 0, the most probable is taken. With lengths, an outcome is
        three choices: whether there is another note, whether it is struck or held, and which it is.
        The second is a matter of rhythm: there, the temperature is twice as high, and at most 1.

    Returns
    -------
    Tensor[N, K]
        1 where a note was drawn; with lengths, -1 where it is held.
    """
    keys = silence.shape[1]
    drawn = silence.clone()
    rows = torch.arange(len(silence), device=silence.device)
    last, ended = torch.zeros_like(rows), rows < 0
    on_cpu = silence.device.type == "cpu"
    for place in range(uniforms.shape[1]):
        found = logits(drawn[rows], last, place, rows)
        if found.shape[1] == keys + 1:
            outcome = draw_at(found, uniforms[rows, place], temperature)
        else:
            outcome = draw_at(by_part(found, temperature), uniforms[rows, place], 1.0)
        ended = ended | (outcome == found.shape[1] - 1)
        if on_cpu:  # elsewhere, asking how many have ended would take longer
            if ended.all():
                break
            if len(rows) > FEW:
                left = ~ended
                rows, outcome, last, ended = (each[left] for each in (rows, outcome, last, ended))
        state = 1 - 2 * (outcome >= keys).to(drawn.dtype)
        key = outcome % keys
        drawn[rows, key] = torch.where(ended, drawn[rows, key], state)
        last = torch.where(ended, last, key + 1)
    return drawn


def by_part(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen three choices: is there another note, is it struck or held, and which is it.

    Tensor[M, 2 K + 1] to the same shape; log-probabilities. Rhythm has its own temperature.
    """
    keys = logits.shape[1] // 2
    struck, held, end = logits.split([keys, keys, 1], -1)
    any_struck, which_struck = _within(struck, temperature)
    any_held, which_held = _within(held, temperature)
    any_note, rhythm = _within(torch.cat([any_struck, any_held], -1), min(1.0, 2 * temperature))
    more = sharpen(torch.cat([any_note, end], -1), temperature)
    rhythm = rhythm + more[:, :1]
    return torch.cat([which_struck + rhythm[:, :1], which_held + rhythm[:, 1:], more[:, 1:]], -1)


def _within(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Sharpen the choice between outcomes, some or all of which may be ruled out.

    Returns
    -------
    total : Tensor[M, 1]
        The logit of any of them.
    which : Tensor[M, any]
        Log-probabilities of each, given that it is one of them.
    """
    total = logits.logsumexp(-1, keepdim=True)
    none = total.isinf()
    which = sharpen(logits.masked_fill(none, 0), temperature)
    return total, which.masked_fill(none, -torch.inf)


def total(values: Tensor, draws: Draws, steps: int, most: int) -> Tensor:
    """Sum values over the draws of each step: Tensor[M] to Tensor[steps]."""
    table = values.new_zeros(steps, most)
    return table.index_put((draws.step, draws.place), values).sum(-1)


def never(like: Tensor, keys: int) -> Tensor:
    """Make the ages when nothing has been struck yet: infinity, Tensor[B, 1, K]."""
    return like.new_full((len(like), 1, keys), torch.inf)


def ages(notes: Tensor, age: Tensor) -> Tensor:
    """Count the steps since each key was struck.

    Parameters
    ----------
    notes : Tensor[B, T, K]
        1 where a key is struck.
    age : Tensor[B, 1, K]
        The ages at the first of these steps; 1 for a key that was struck at the step before.

    Returns
    -------
    Tensor[B, T, K]
        The ages at the step after each of the T steps.
    """
    now = torch.arange(notes.shape[1] + 1, device=notes.device, dtype=age.dtype)[:, None]
    struck = torch.where(notes > 0, now[:-1], -torch.inf)
    return (now - torch.cat([-age, struck], 1).cummax(1).values)[:, 1:]


def traces(age: Tensor) -> Tensor:
    """Turn ages into exponentially decaying traces: Tensor[..., K] to Tensor[..., S, K]."""
    spans = torch.tensor(SPANS, device=age.device, dtype=age.dtype)
    return torch.exp((1 - age[..., None, :]) / spans[:, None])


class Rule(NamedTuple):
    """Which outcomes of a draw are allowed, and additional inputs of the network.

    Attributes
    ----------
    allowed : Tensor[M, K + 1] of bool
        Which keys, and "end".
    told : Tensor[M, any]
        Additional inputs for each draw.
    """

    allowed: Tensor
    told: Tensor


Ruling = Callable[[Tensor, Tensor, Tensor, Tensor], Rule]
"""From `Draws.step`, `Draws.place`, `Draws.last` and `Draws.drawn` to the rule for M draws."""


def free(step: Tensor, place: Tensor, last: Tensor, drawn: Tensor) -> Rule:
    """Rule out only the keys up to the last one drawn: a `Ruling`."""
    above = torch.arange(drawn.shape[1] + 1, device=last.device) >= last[:, None]
    return Rule(above, drawn[:, :0])


class Ascending(nn.Module):
    """A distribution over sets of notes: a network gives the logits of each draw.

    Parameters
    ----------
    context : int
        C, number of features per step.
    keys : int
        K; 12 keys are taken to be pitch classes.
    hidden : int
        H, width of its two layers.
    max_notes : int
        Maximum number of notes at a step.
    told : int
        Number of additional inputs per draw; see `Rule`.
    lengths : bool
        Whether keys are struck or held, not only struck. A key can be held if it sounded before.
    """

    def __init__(
        self,
        context: int,
        keys: int,
        hidden: int,
        max_notes: int,
        told: int = 0,
        lengths: bool = False,
    ):
        super().__init__()
        self.keys, self.max_notes, self.lengths = keys, max_notes, lengths
        # Piano keys lie on a ring with enough empty places that no interval wraps around.
        self.below = 0 if keys == CLASSES else min(WIDEST, keys - 1)
        self.ring = keys + self.below
        intervals = CLASSES if keys == CLASSES else 2 * self.below + 1
        self.register_buffer("intervals", torch.arange(intervals) - self.below, persistent=False)
        # With lengths, both kinds of notes, and the keys that sounded at the step before
        kinds, memories = (2, len(SPANS) + 1) if lengths else (1, len(SPANS))
        sources = 1 + kinds + memories
        self.of_step = nn.Linear(context + memories * keys, hidden)
        self.of_draw = nn.Linear((1 + kinds) * keys + (sources - 1) * intervals + told, hidden)
        self.deeper = nn.Linear(hidden, hidden)
        self.absolute = nn.Linear(hidden, kinds * keys + 1)
        self.relative = nn.Linear(hidden, kinds * sources * intervals)

    def log_prob(
        self,
        context: Tensor,
        age: Tensor,
        notes: Tensor,
        ruling: Ruling = free,
        before: Tensor | None = None,
    ) -> Tensor:
        """Compute the log-probability of sets of notes, exactly.

        Parameters
        ----------
        context : Tensor[N, C]
        age : Tensor[N, K]
            Steps since each key was struck; see `ages`.
        notes : Tensor[N, K]
        ruling : Ruling
        before : Tensor[N, K], optional
            With lengths, the notes of the step before each.

        Returns
        -------
        Tensor[N]
            Nats; minus infinity if there are too many notes, or notes that cannot be held.
        """
        memory = self._memory(age, before)
        prepared = self._prepare(context, memory)
        known = draws_of(notes, self.max_notes, self.lengths)
        rule = ruling(known.step, known.place, known.last, known.drawn)
        of_step = prepared[known.step], memory[known.step]
        log_probs = self._logits(*of_step, known.drawn, known.last, rule).log_softmax(-1)
        each = log_probs.gather(-1, known.outcome[:, None])[:, 0]
        nats = total(each, known, len(notes), self.max_notes)
        return nats.masked_fill(notes.count_nonzero(-1) > self.max_notes, -torch.inf)

    def sample(
        self,
        context: Tensor,
        age: Tensor,
        uniforms: Tensor,
        temperature: float,
        ruling: Ruling = free,
        before: Tensor | None = None,
    ) -> Tensor:
        """Draw sets of notes.

        Parameters
        ----------
        context, age, ruling, before
            As for `log_prob`.
        uniforms : Tensor[N, max_notes]
            Random numbers in [0, 1).
        temperature : float

        Returns
        -------
        Tensor[N, K]
        """
        logits = self.draws(context, age, ruling, before)
        return draw_notes(logits, torch.zeros_like(age), uniforms, temperature)

    def draws(
        self,
        context: Tensor,
        age: Tensor,
        ruling: Ruling = free,
        before: Tensor | None = None,
    ) -> Callable[[Tensor, Tensor, int, Tensor], Tensor]:
        """Prepare the logits of draws, for `draw_notes`; parameters are as for `log_prob`."""
        memory = self._memory(age, before)
        prepared = self._prepare(context, memory)

        def logits(drawn: Tensor, last: Tensor, place: int, rows: Tensor) -> Tensor:
            rule = ruling(rows, torch.full_like(last, place), last, drawn)
            return self._logits(prepared[rows], memory[rows], drawn, last, rule)

        return logits

    def _memory(self, age: Tensor, before: Tensor | None) -> Tensor:
        """Describe the steps before: [N, S, K]; with lengths [N, S + 1, K], what sounded last."""
        memory = traces(age)
        return torch.cat([memory, before.abs()[:, None]], 1) if self.lengths else memory

    def _prepare(self, context: Tensor, memory: Tensor) -> Tensor:
        """Compute what all draws of a step share: Tensor[N, C], Tensor[N, any, K] to [N, H]."""
        return self.of_step(torch.cat([context, memory.flatten(1)], -1))

    def _logits(
        self, prepared: Tensor, memory: Tensor, drawn: Tensor, last: Tensor, rule: Rule
    ) -> Tensor:
        """Compute the logits of the outcomes of draws, at least float32; see `Draws`."""
        newest = functional.one_hot(last, self.keys + 1)[:, 1:].to(drawn.dtype)
        kinds = torch.stack([drawn.relu(), (-drawn).relu()], 1) if self.lengths else drawn[:, None]
        known = torch.cat([kinds, memory], 1)
        around = self._around(known, last).flatten(1)
        inputs = torch.cat([newest, kinds.flatten(1), around, rule.told], -1)
        hidden = functional.silu(prepared + self.of_draw(inputs))
        hidden = hidden + functional.silu(self.deeper(hidden))
        logits, kernels = self.absolute(hidden), self.relative(hidden)
        sources = torch.cat([newest[:, None], known], 1)
        kernels = wide(kernels).unflatten(-1, (-1, sources.shape[1], len(self.intervals)))
        heard = self._spread(sources.to(kernels.dtype), kernels).flatten(1)
        logits = wide(logits) + functional.pad(heard, (0, 1))
        allowed = rule.allowed
        if self.lengths:
            struck, end = allowed.split([self.keys, 1], -1)
            allowed = torch.cat([struck, struck & (memory[:, -1] > 0), end], -1)
        return logits.masked_fill(~allowed, -torch.inf)

    def _around(self, values: Tensor, last: Tensor) -> Tensor:
        """Look up the values at each interval from the last key; zeros before the first draw.

        Tensor[M, any, K] to Tensor[M, any, intervals].
        """
        places = (last[:, None] - 1 + self.intervals) % self.ring
        padded = functional.pad(values, (0, self.below))
        seen = padded.gather(-1, places[:, None].expand(-1, values.shape[1], -1))
        return seen * (last > 0)[:, None, None]

    def _spread(self, sources: Tensor, kernels: Tensor) -> Tensor:
        """Sum, for each key, the kernels' values at its intervals from all sources.

        Tensor[M, S, K] and Tensor[M, any, S, intervals] to Tensor[M, any, K]. This is a convolution
        with different kernels for each draw, which is cheapest by Fourier transform.
        """
        waves = torch.fft.rfft(sources, self.ring)[:, None] * torch.fft.rfft(kernels, self.ring)
        return torch.fft.irfft(waves.sum(2), self.ring)[..., self.below : self.below + self.keys]
