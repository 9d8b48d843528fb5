"""Copying: a gate that repeats what was played some steps ago, or lets a sampler draw anew.

Music repeats, often to the note: a chorale plays its first lines twice. An LSTM that reads the past
can know what would be a repetition, but says so by way of all of its weights. Here a repetition is
one decision: with a probability of its own the next step is just what was played k steps ago. The
gate sees the features and, for each lag, how long the music has been repeating at that lag, so
that a repetition which has begun goes on; and whether that is a repetition from the very beginning,
since that is what most are. The mixture is an exact distribution, akin to the pointer
sentinel mixture of Merity, Xiong, Bradbury and Socher (2016, arXiv:1609.07843).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at

SELDOM = -4.0
"""Logit of beginning a repetition at each lag before anything is learnt; of going on it is 0."""

FASTER = 8
"""By how much the numbers of situations move faster than other weights."""


class State(NamedTuple):
    """What is kept between calls.

    Attributes
    ----------
    past : Tensor[B, longest lag, K]
        The steps before the next one.
    run : Tensor[B, lags]
        Steps with a note that have repeated since the last that did not.
    heard : Tensor[B]
        Steps with a note before those, as far as they are known.
    """

    past: Tensor
    run: Tensor
    heard: Tensor


class Copying(nn.Module):
    """The gate.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    lags : list of int
        Steps back that can be copied.
    most : int
        Sets of more notes are not copied.
    hidden : int
        Width of its network.
    """

    def __init__(self, features: int, lags: list[int], most: int, hidden: int):
        super().__init__()
        self.lags = lags
        self.most = most
        self.context = nn.Linear(features, hidden)
        self.lag = nn.Parameter(torch.zeros(len(lags), hidden))
        self.repeating = nn.Linear(1, hidden)
        self.score = nn.Linear(hidden, 1)
        # A repetition begins at one step of a song. A number of its own for each situation learns
        # that in time; weights that all steps share do not.
        repeats = torch.arange(8) % 2
        begin = (1 - repeats) * SELDOM / FASTER
        self.situation = nn.Parameter(begin.repeat(len(lags), 1))

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before it; silence before that.
        """
        silence = past.new_zeros(len(past), max(self.lags), past.shape[2])
        run = past.new_zeros(len(past), len(self.lags))
        return self.follow(past, State(silence, run, run[:, 0]))

    def log_prob(
        self, features: Tensor, notes: Tensor, drawn: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """Compute the log-probability of notes that are copied or drawn.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        drawn : Tensor[B, T]
            Log-probability of drawing them anew.
        state : State

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        known = torch.cat([state.past, notes], 1)
        same, run, after = self._compare(known, notes.shape[1], state)
        gate = self._gate(features, known, run, state.heard)
        copied = gate[..., :-1].masked_fill(~same, -torch.inf)
        anew = gate[..., -1:] + drawn[..., None]
        return torch.cat([copied, anew], -1).logsumexp(-1), after

    def sample(
        self,
        features: Tensor,
        drawn: Tensor,
        state: State,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, State]:
        """Decide what one step is: what was played at a lag, or what was drawn.

        Parameters
        ----------
        features : Tensor[B, 1, F]
        drawn : Tensor[B, 1, K]
            Notes drawn anew.
        state : State
        uniforms : Tensor[B, 1]
            Random numbers in [0, 1).
        temperature : float
            Of the gate.

        Returns
        -------
        notes : Tensor[B, 1, K]
        state : State
        """
        known = torch.cat([state.past, drawn], 1)
        gate = self._gate(features, known, state.run[:, None], state.heard)
        way = draw_at(gate, uniforms, temperature)
        ways = torch.cat([*self._lagged(known, 1), drawn], 1)
        notes = ways[torch.arange(len(ways)), way[:, 0]][:, None]
        return notes, self.follow(notes, state)

    def follow(self, notes: Tensor, state: State) -> State:
        """Hear notes that are given, Tensor[B, T, K]: the state after them."""
        known = torch.cat([state.past, notes], 1)
        return self._compare(known, notes.shape[1], state)[2]

    def _compare(self, known: Tensor, steps: int, state: State) -> tuple[Tensor, Tensor, State]:
        """Compare the last steps of known notes with what was played at each lag before them.

        Returns
        -------
        same : Tensor[B, T, lags] of bool
            Where both are the same.
        run : Tensor[B, T, lags]
            As in `State`, before each step.
        state : State
            After the last.
        """
        sounds = known > 0  # a byte a key: this is bound by memory
        now = sounds[:, -steps:]
        same = torch.stack([(one == now).all(-1) for one in self._lagged(sounds, steps)], -1)
        total = (same & now.any(-1, keepdim=True)).cumsum(1).to(known.dtype)
        # A run counts from the last step that did not repeat, or goes on from before.
        last = torch.where(same, -state.run[:, None], total).cummax(1).values
        after = total - last
        before = torch.cat([state.run[:, None], after[:, :-1]], 1)
        heard = state.heard + sounds[:, :steps].any(-1).sum(1)
        return same, before, State(known[:, steps:], after[:, -1], heard)

    def _gate(self, features: Tensor, known: Tensor, run: Tensor, heard: Tensor) -> Tensor:
        """Compute log-probabilities of copying each lag, and last of drawing: [B, T, lags + 1]."""
        steps, sizes = features.shape[1], known.sum(-1)
        counts = torch.stack(self._lagged(sizes, steps), -1)
        struck = (sizes > 0).int()
        earlier = struck.cumsum(1) - struck + heard[:, None]
        whole = run >= torch.stack(self._lagged(earlier, steps), -1)
        situation = (run > 0) + 2 * (counts > 0) + 4 * whole
        place = situation + 8 * torch.arange(len(self.lags), device=run.device)
        hidden = self.context(features)[..., None, :] + self.lag
        hidden = hidden + self.repeating(run.log1p()[..., None])
        scores = self.score(functional.silu(hidden))[..., 0]
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores + FASTER * self.situation.flatten()[place]
        scores = scores.masked_fill(counts > self.most, -torch.inf)
        return functional.pad(scores, (0, 1)).log_softmax(-1)

    def _lagged(self, known: Tensor, steps: int) -> list[Tensor]:
        """View what was played at each lag before the last steps of known notes."""
        first = known.shape[1] - steps
        return [known[:, first - lag : first - lag + steps] for lag in self.lags]
