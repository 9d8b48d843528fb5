"""Sampler: the contract for drawing the notes of a step. Each sampler is a separate file."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.notes.parts.given import Given


class Sampler(nn.Module):
    """A distribution over the notes of each step, given features and the steps before.

    A sampler is a file with two classes: ``Model(features, keys, params)``, which derives from this
    class, and ``Params``, the schema of its parameters. It has to implement `log_prob` and
    `sample`. The other methods are right for a sampler that can draw any notes, sees only the
    features, keeps nothing between steps, and is trained by maximum likelihood.

    Where the true notes of T steps are given, ``known`` contains the C steps before them and then
    the T steps; otherwise ``past`` contains the C steps before. The state covers all but the last
    of these C steps: the sampler reads the last one when it is called.

    Parameters
    ----------
    num_uniforms : int
        U, number of random numbers in [0, 1) needed per step.
    context_length : int
        Number of steps before each step that it reads directly. C is at least this.

    Attributes
    ----------
    exact : bool
        Whether `log_prob` is exact. Otherwise it is a lower bound, in expectation over the
        random numbers.
    remembers_draws : bool
        Whether the state after `sample` depends on what was drawn. If so, and if something else is
        played, the state has to come from `log_prob` instead.
    draws_lengths : bool
        Whether it can also be built with ``Model(features, keys, params, lengths=True)``. Then
        notes are 1 where a key is struck, -1 where it is held, and 0 where it is silent.
    takes_given : bool
        Whether it has `sample_given`: whether it can draw the rest where some notes are given. It
        has to be exact, and to draw lengths.
    knows_final : bool
        Whether it uses the final in the positions that `initial` is given.
    max_notes : int or None
        Largest number of notes that `in_support` allows at a step; None if there is no limit.
    """

    exact = True
    remembers_draws = False
    draws_lengths = False
    takes_given = False
    knows_final = False
    max_notes: int | None = None

    def __init__(self, num_uniforms: int, context_length: int = 1):
        super().__init__()
        self.num_uniforms, self.context_length = num_uniforms, context_length

    def annotate(self, song: Tensor) -> Tensor | None:
        """Precompute for a song what training would otherwise compute in every batch.

        Parameters
        ----------
        song : Tensor[S, K + any]
            A whole song, on a keyboard that is extended by the range of transpositions.

        Returns
        -------
        Tensor[S, K + any, A] or None
            Annotations of each key at each step, which are transposed and cut in the same way as
            the song. None if there is nothing to precompute.
        """
        return None

    def learn_sets(self, notes: Tensor) -> None:
        """Look at all sets of pitch classes in the training songs, before training.

        Parameters
        ----------
        notes : Tensor[N, 12]
            In every transposition, 0 or 1.
        """

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> Any:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, C, K]
            The steps before it; those before a song are silent.
        annotation : Tensor[B, T, K, A], optional
            What `annotate` returned for the T steps that follow. If it is given, no steps may
            follow after these.
        positions : Tensor[B, any, 10] of int64, optional
            Where the steps that follow stand in their piece; see `ostinato.notes.data.positions`.
            Without it, nothing is transposed, and no final is known.
        """
        return None

    def in_support(self, notes: Tensor) -> Tensor:
        """Tell which sets of notes can be drawn: by default, those of at most `max_notes`.

        Parameters
        ----------
        notes : Tensor[..., K]

        Returns
        -------
        Tensor[...] of bool
        """
        if self.max_notes is None:
            return torch.ones_like(notes[..., 0], dtype=torch.bool)
        return notes.count_nonzero(-1) <= self.max_notes

    def loss(
        self, features: Tensor, known: Tensor, state: Any, uniforms: Tensor
    ) -> tuple[Tensor, Any]:
        """Compute the training loss: by default, the negative log-probability.

        Parameters
        ----------
        features, known, state, uniforms
            As for `log_prob`.

        Returns
        -------
        loss : Tensor[B, T]
            Finite. It is ignored where the notes are not in the support.
        state : any
        """
        log_prob, state = self.log_prob(features, known, state, uniforms)
        return -log_prob.masked_fill(log_prob.isinf(), 0), state

    def log_prob(
        self, features: Tensor, known: Tensor, state: Any, uniforms: Tensor
    ) -> tuple[Tensor, Any]:
        """Compute the log-probability of each step's notes, given the steps before it.

        Parameters
        ----------
        features : Tensor[B, T, F]
        known : Tensor[B, C + T, K]
            The C steps before, then the T steps, 0 or 1.
        state : any
            From `initial` or an earlier call.
        uniforms : Tensor[B, T, U]
            Random numbers in [0, 1), for latent decisions that the notes do not determine.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where the notes are not in the support.
        state : any
        """
        raise NotImplementedError

    def sample(
        self, features: Tensor, past: Tensor, state: Any, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, Any]:
        """Draw the notes of one step.

        Parameters
        ----------
        features : Tensor[B, 1, F]
        past : Tensor[B, C, K]
            The steps before.
        state : any
            From `initial` or an earlier call.
        uniforms : Tensor[B, 1, U]
            Random numbers in [0, 1).
        temperature : float
            Outcomes are drawn with probability proportional to p^(1/temperature); at 0, the most
            probable is taken.

        Returns
        -------
        notes : Tensor[B, 1, K]
            0 or 1.
        state : any
        """
        raise NotImplementedError

    def sample_given(
        self,
        features: Tensor,
        past: Tensor,
        state: Any,
        given: Given,
        where: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor, Any]:
        """Draw the notes of one step, of which something is given.

        Parameters
        ----------
        features, past, state
            As for `sample`, of B different pasts.
        given : Given
        where : Tensor[N] of int64
            Which of these pasts each draw follows.
        uniforms : Tensor[N, U]
            Random numbers in [0, 1).
        temperature : float
            As for `sample`, between outcomes that are allowed.

        Returns
        -------
        notes : Tensor[N, K]
        nats : Tensor[N]
            Logarithms of weights, with which the draws are a sample of the distribution given what
            is given. Their mean, without the logarithm, is an unbiased estimate of the probability
            of what is given. Minus infinity for draws that failed.
        state : any
            Of the B pasts.
        """
        raise NotImplementedError

    def guess(
        self, features: Tensor, known: Tensor, uniforms: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        """Draw each step of known music several times, given its true past.

        Parameters
        ----------
        features : Tensor[B, T, F]
        known : Tensor[B, C + T, K]
            The C steps before a sequence, then its T steps.
        uniforms : Tensor[D, 2, B, T, U]
            Random numbers in [0, 1) for D draws: [:, 0] for `log_prob`, [:, 1] for `sample`.
        positions : Tensor[B, any, 10] of int64, optional
            As for `initial`.

        Returns
        -------
        Tensor[D, B, T, K]
        """
        draws, steps = len(uniforms), features.shape[1]
        context = known.shape[1] - steps
        features, known = features.repeat(draws, 1, 1), known.repeat(draws, 1, 1)
        for_truth, for_draws = uniforms.transpose(0, 1).flatten(1, 2)
        if positions is not None:
            positions = positions.repeat(draws, 1, 1)
        state, drawn = self.initial(known[:, :context], positions=positions), []
        for step in range(steps):
            now = slice(step, step + 1)
            past, told = known[:, step : step + context], features[:, now]
            notes, after = self.sample(told, past, state, for_draws[:, now], 1.0)
            if self.remembers_draws:
                true = known[:, step : step + context + 1]
                _, after = self.log_prob(told, true, state, for_truth[:, now])
            drawn.append(notes)
            state = after
        return torch.cat(drawn, 1).unflatten(0, (draws, -1))
