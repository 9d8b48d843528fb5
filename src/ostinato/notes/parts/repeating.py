"""Repeating: a gate before a sampler, which may copy what was played some steps ago.

Music repeats, often exactly: a chorale plays its first lines twice. An LSTM that reads the past can
know what a repetition would be, but can express it only through all of its weights. Here a
repetition is a single decision: with some probability, the next step is exactly what was played k
steps ago. The gate sees the features and, for each lag, for how long the music has been repeating
at that lag, so that a repetition that has begun goes on. It also sees whether the music is being
repeated from the very beginning, as in most repetitions. The probability of the mixture is exact if
that of the sampler is. The mixture is similar to the pointer sentinel mixture of Merity, Xiong,
Bradbury and Socher (2016, arXiv:1609.07843).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at, wide
from ostinato.core.schema import Lags, Positive, Schema
from ostinato.notes.parts.given import Given
from ostinato.notes.parts.sampler import Sampler

SELDOM = -4.0
"""Initial logit of beginning a repetition, at each lag; that of continuing one is 0."""

FASTER = 8
"""How many times faster the weights of situations are learnt than other weights."""

WORD = 48
"""Number of keys that are packed into an integer."""

NEVER = -1e30
"""Stands for minus infinity in intermediate results, in nats."""


class Params(Schema):
    """Parameters of the gate.

    Attributes
    ----------
    lags : list of int
        Lags, in steps, at which a step may be copied.
    hidden : int
        Width of its network.
    """

    lags: Lags
    hidden: Positive


class State(NamedTuple):
    """What is kept between calls; it covers all steps of the past but the last.

    Attributes
    ----------
    run : Tensor[B, lags]
        For each lag, the number of steps with a note that have repeated since the last step that
        did not.
    earlier : Tensor[B] of int64
        Number of steps with a note before the past, as far as they are known.
    sampler : any
        The sampler's state.
    """

    run: Tensor
    earlier: Tensor
    sampler: Any


class Repeating(Sampler):
    """A sampler with a gate before it; see `Sampler`.

    It needs one random number more than the sampler, which comes last. It never copies a step that
    the sampler cannot draw.

    Parameters
    ----------
    sampler : Sampler
        Draws the steps that are not copied.
    features : int
        F, number of features per step.
    params : Params
    """

    def __init__(self, sampler: Sampler, features: int, params: Params):
        # Enough to tell for how long the music has been repeating at the longest lag.
        context_length = max(sampler.context_length, 2 * max(params.lags))
        super().__init__(sampler.num_uniforms + 1, context_length)
        self.exact, self.remembers_draws = sampler.exact, sampler.remembers_draws
        self.knows_final, self.takes_given = sampler.knows_final, sampler.takes_given
        self.sampler = sampler
        self.lags = params.lags
        self.register_buffer("steps_back", torch.tensor(params.lags), persistent=False)
        self.context = nn.Linear(features, params.hidden)
        self.lag = nn.Parameter(torch.zeros(len(params.lags), params.hidden))
        self.repeating = nn.Linear(1, params.hidden)
        self.score = nn.Linear(params.hidden, 1)
        # A repetition begins at a single step of a song. A separate weight for each situation
        # learns this in time; weights that all steps share do not.
        repeats = torch.arange(8) % 2
        begin = (1 - repeats) * SELDOM / FASTER
        self.situation = nn.Parameter(begin.repeat(len(params.lags), 1))

    def annotate(self, song: Tensor) -> Tensor | None:
        return self.sampler.annotate(song)

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        run = past.new_zeros(len(past), len(self.lags))
        if past.shape[1] > 1:
            padded = functional.pad(past[:, :-1], (0, 0, max(self.lags), 0))
            run = self._runs(padded, self._same(padded, past.shape[1] - 1), run)[:, -1]
        earlier = torch.zeros(len(past), dtype=torch.int64, device=past.device)
        return State(run, earlier, self.sampler.initial(past, annotation, positions))

    def learn_sets(self, notes: Tensor) -> None:
        self.sampler.learn_sets(notes)

    def in_support(self, notes: Tensor) -> Tensor:
        return self.sampler.in_support(notes)

    def loss(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """See `Sampler`; the sampler's own loss takes the place of its negative log-probability."""
        loss, sampler = self.sampler.loss(features, known, state.sampler, uniforms[..., :-1])
        mixed, state = self._mixed(features, known, state, -loss, sampler)
        return -mixed.masked_fill(mixed.isinf(), 0), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        nats, sampler = self.sampler.log_prob(features, known, state.sampler, uniforms[..., :-1])
        return self._mixed(features, known, state, nats, sampler)

    def _mixed(
        self, features: Tensor, known: Tensor, state: State, nats: Tensor, sampler: Any
    ) -> tuple[Tensor, State]:
        """Mix copying with drawing, of log-probability `nats` [B, T] and final state `sampler`."""
        steps = features.shape[1]
        same = self._same(known, steps + 1)
        run = self._runs(known[:, :-1], same[:, :-1], state.run)
        gate = self._gate(features, known, run, state.earlier)
        copied = gate[..., :-1].masked_fill(~same[:, 1:], -torch.inf)
        # A finite number keeps the gradient finite if neither way has a probability.
        anew = gate[..., -1] + nats.masked_fill(nats.isinf(), NEVER)
        mixed = torch.cat([copied, anew[..., None]], -1).logsumexp(-1)
        mixed = mixed.masked_fill(mixed < NEVER / 2, -torch.inf)
        return mixed, State(run[:, -1], self._earlier(known, steps, state), sampler)

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        own, chance = uniforms[..., :-1], uniforms[..., -1]
        drawn, sampler = self.sampler.sample(features, past, state.sampler, own, temperature)
        run = self._runs(past, self._same(past, 1), state.run)
        known = torch.cat([past, drawn], 1)
        gate = self._gate(features, known, run, state.earlier)
        notes = self._played(known, drawn, draw_at(gate, chance, temperature))
        if self.remembers_draws:
            true = torch.cat([past, notes], 1)
            _, sampler = self.sampler.log_prob(features, true, state.sampler, own)
        return notes, State(run[:, -1], self._earlier(known, 1, state), sampler)

    def sample_given(
        self,
        features: Tensor,
        past: Tensor,
        state: State,
        given: Given,
        where: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor, State]:
        run = self._runs(past, self._same(past, 1), state.run)
        # The notes of the step itself are not used.
        known = torch.cat([past, torch.zeros_like(past[:, :1])], 1)
        gate = self._gate(features, known, run, state.earlier)[:, 0]
        copies = _copied(self._lagged(known, 1)[:, 0], past[:, -1:])
        gate[:, :-1] = gate[:, :-1].masked_fill(~given.fits(copies), -torch.inf)
        way = draw_at(gate[where], uniforms[:, -1], temperature)
        anew = way == len(self.lags)
        drawn, own, sampler = self.sampler.sample_given(
            features, past, state.sampler, given, where[anew], uniforms[anew, :-1], temperature
        )
        nats = gate.logsumexp(-1).double()[where]
        nats[anew] += own
        notes = copies[where, way.clamp(max=len(self.lags) - 1)]
        notes[anew] = drawn
        return notes, nats, State(run[:, -1], self._earlier(known, 1, state), sampler)

    def guess(
        self, features: Tensor, known: Tensor, uniforms: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        steps = features.shape[1]
        begin = self.initial(known[:, : known.shape[1] - steps])
        run = self._runs(known[:, :-1], self._same(known[:, :-1], steps), begin.run)
        gate = self._gate(features, known, run, begin.earlier)
        drawn = self.sampler.guess(features, known, uniforms[..., :-1], positions)
        ways = draw_at(gate.expand(len(drawn), *gate.shape), uniforms[:, 1, ..., -1], 1.0)
        return torch.stack([self._played(known, *each) for each in zip(drawn, ways, strict=True)])

    def _played(self, known: Tensor, drawn: Tensor, way: Tensor) -> Tensor:
        """Return what is played, Tensor[B, T, K]: a copy at lag number `way`, or what is drawn."""
        lags = torch.tensor([*self.lags, 0], device=way.device)
        place = torch.arange(known.shape[1] - way.shape[1], known.shape[1], device=way.device)
        copied = known.gather(1, (place - lags[way])[..., None].expand_as(drawn))
        copied = _copied(copied, known[:, -way.shape[1] - 1 : -1])
        return torch.where(way[..., None] == len(self.lags), drawn, copied)

    def _same(self, known: Tensor, steps: int) -> Tensor:
        """Compare the last steps with copies at each lag: Tensor[B, steps, lags] of bool."""
        if steps == 1:
            copied = _copied(self._lagged(known, 1), known[:, -2:-1, None])
            return (copied == known[:, -1:, None]).all(-1)
        sounds, struck = _words(known != 0), _words(known > 0)
        now, struck_now = (each[:, -steps:, None] for each in (sounds, struck))
        before = functional.pad(sounds, (0, 0, 1, 0))[:, -steps - 1 : -1, None]
        # As `_copied` and a comparison
        other = (self._lagged(sounds, steps) ^ now) | (
            (self._lagged(struck, steps) ^ struck_now) & now & before
        )
        impossible = now & ~before & ~struck_now  # keys held that did not sound
        return ((other | impossible) == 0).all(-1)

    def _runs(self, known: Tensor, same: Tensor, run: Tensor) -> Tensor:
        """Count for how long the music has been repeating, as of each of the last T steps.

        Parameters
        ----------
        known : Tensor[B, any, K]
        same : Tensor[B, T, lags] of bool
            From `_same`, for the last T steps.
        run : Tensor[B, lags]
            The counts before these steps.

        Returns
        -------
        Tensor[B, T, lags]
        """
        struck = (known[:, -same.shape[1] :] > 0).any(-1, keepdim=True)
        total = (same & struck).cumsum(1).to(run.dtype)
        # A run counts from the last step that did not repeat, or continues that from before.
        return total - torch.where(same, -run[:, None], total).cummax(1).values

    def _earlier(self, known: Tensor, steps: int, state: State) -> Tensor:
        return state.earlier + (known[:, :steps] > 0).any(-1).sum(1)

    def _gate(self, features: Tensor, known: Tensor, run: Tensor, earlier: Tensor) -> Tensor:
        """Compute log-probabilities of copying at each lag and, last, of drawing: [B, T, lags + 1].

        Parameters
        ----------
        features : Tensor[B, T, F]
        known : Tensor[B, C + T, K]
            The notes of the last step are not used.
        run : Tensor[B, T, lags]
            The counts before each of the T steps; see `State`.
        earlier : Tensor[B] of int64
            See `State`.
        """
        steps = features.shape[1]
        struck = (known.relu().sum(-1) > 0).int()  # faster than any()
        strikes = self._lagged(struck, steps) > 0
        before = struck.cumsum(1) - struck + earlier[:, None]
        whole = run >= self._lagged(before, steps)
        situation = (run > 0) + 2 * strikes + 4 * whole
        place = situation + 8 * torch.arange(len(self.lags), device=run.device)
        hidden = self.context(features)[..., None, :] + self.lag
        hidden = hidden + self.repeating(run.log1p()[..., None])
        scores = wide(self.score(functional.silu(hidden))[..., 0])
        scores = scores + FASTER * self.situation.flatten()[place]
        allowed = self.sampler.in_support(known)
        scores = scores.masked_fill(~self._lagged(allowed, steps), -torch.inf)
        return functional.pad(scores, (0, 1)).log_softmax(-1)

    def _lagged(self, known: Tensor, steps: int) -> Tensor:
        """Look up what was at each lag before the last steps: [B, steps, lags, any]."""
        if steps == 1:  # one operation in place of one for each lag
            return known[:, known.shape[1] - 1 - self.steps_back][:, None]
        return torch.stack(self._views(known, steps), 2)

    def _views(self, known: Tensor, steps: int) -> list[Tensor]:
        """View, for each lag, what was so many steps before each of the last steps."""
        first = known.shape[1] - steps
        return [known[:, first - lag : first - lag + steps] for lag in self.lags]


def _copied(notes: Tensor, before: Tensor) -> Tensor:
    """Copy notes to after a step: a key that would be held is struck if it does not sound there."""
    return torch.where(before == 0, notes.abs(), notes)


def _words(keys: Tensor) -> Tensor:
    """Pack sets of keys into words, which are compared faster: Tensor[..., K] to Tensor[..., W]."""
    padded = functional.pad(keys.long(), (0, -keys.shape[-1] % WORD)).unflatten(-1, (-1, WORD))
    return (padded << torch.arange(WORD, device=keys.device)).sum(-1)
