"""Banning: voices that each decide one note, that it sounds or that it does not.

The sampler of the systems from "banning" to "the_model". Voice after voice sees the features and
what was decided so far, and draws one of 2K outcomes: "note k sounds" or "note k does not sound";
decided notes are masked out. What no voice decided does not sound. Each voice has an LSTM of its
own, or all share one; either way each has a state of its own that runs along time.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import draw, draw_at
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES

State = list[recurrent.State]
"""The LSTM's state for each voice."""

Choice = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(voice, log probabilities [B, T, 2K], sounding [B, T, K], banned [B, T, K]) -> outcome [B, T]."""

SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1, as in the author's code."""


class Params(Schema):
    """Sizes of the banning sampler.

    Attributes
    ----------
    voices : int
        V, how many notes are decided at each step.
    hidden : int
        Cells of the LSTM.
    shared : bool
        Whether all voices share one LSTM and its outputs.
    objective : str
        What training minimises: ``"bound"``, the negative of `Sampler.log_prob`; ``"marginals"``,
        the cross-entropy of each note's marginal, where voices draw from their own distribution and
        a wrong decision is turned round; or ``"a_posteriori"``, the same where they draw from their
        distribution restricted to what is true. The marginals let a note be drawn often as long as
        it is banned often, too, which costs them nothing and shows when composing.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Positive
    shared: bool
    objective: Literal["bound", "marginals", "a_posteriori"]


class Sampler(nn.Module):
    """The banning sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys (or pitch classes) a step; at least as many as voices.
    params : Params
        Sizes.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each voice.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: it is a lower bound, in expectation over the draws.
    """

    reach = 1
    exact = False

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = keys
        self.draws = params.voices
        self.objective = params.objective
        networks = 1 if params.shared else params.voices
        self.voices = nn.ModuleList(
            nn.LSTM(features + 2 * keys, params.hidden, batch_first=True) for _ in range(networks)
        )
        self.outcomes = nn.ModuleList(nn.Linear(params.hidden, 2 * keys) for _ in range(networks))

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence, from the past only for batch and type."""
        return [recurrent.zero_state(self.voices[0], past)] * self.draws

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps that can be drawn: those with no more notes than voices.

        Parameters
        ----------
        notes : Tensor[B, T, K]

        Returns
        -------
        Tensor[B, T]
            1 or 0, of the type of the notes.
        """
        return (notes.sum(-1) <= self.draws).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute what training minimises.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        state : State
        uniforms : Tensor[B, T, V]
            Random numbers in [0, 1).

        Returns
        -------
        loss : Tensor[B, T]
            Nats. For the bound, 0 at steps with more notes than voices.
        state : State
        """
        if self.objective == "bound":
            log_prob, state = self.log_prob(features, notes, state, uniforms)
            return -log_prob.masked_fill(log_prob.isinf(), 0), state
        return self._marginals(features, notes, state, uniforms)

    def _marginals(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Sum the cross-entropy of each note's marginal over the keys.

        What the next voice sees is always true: a voice draws what is true, or what it drew is
        turned round. A note sounds with probability p (1 - b), where p and b accumulate over the
        voices as p + (1 - p) p_v.
        """
        silent = torch.ones_like(notes)
        allowed = torch.ones_like(notes)

        def choose(voice: int, log_probs: Tensor, sounding: Tensor, banned: Tensor) -> Tensor:
            nonlocal silent, allowed
            probs = log_probs.exp()
            silent = silent * (1 - probs[..., : self.keys])
            allowed = allowed * (1 - probs[..., self.keys :])
            if self.objective == "a_posteriori":
                wrong = torch.cat([notes, 1 - notes], -1) == 0
                likely = log_probs.detach().masked_fill(wrong, -torch.inf)
                key = draw_at(likely, uniforms[..., voice], 1) % self.keys
            else:
                key = draw(probs.detach(), uniforms[..., voice]) % self.keys
            sounds = notes.gather(-1, key[..., None])[..., 0] > 0
            return torch.where(sounds, key, key + self.keys)

        _, state = self._decide(features, state, choose)
        p = ((1 - silent) * allowed).clamp(SMALLEST, 1 - SMALLEST)
        return functional.binary_cross_entropy(p, notes, reduction="none").sum(-1), state

    def log_prob(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute a lower bound, in expectation over the draws, of the log-probability of notes.

        Which voice decided what is hidden. Each voice draws from its distribution restricted to
        outcomes that are true and leave every remaining note decidable; the probability allowed is
        an importance weight, and the sum of its logarithms over voices and steps is at most
        log p(sequence) in expectation (Jensen). Average several draws of a whole sequence with
        log-mean-exp to come closer.

        Parameters
        ----------
        features, notes, state, uniforms
            As for `loss`.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where there are more notes than voices.
        state : State
        """
        total = torch.zeros_like(notes[..., 0])

        def choose(voice: int, log_probs: Tensor, sounding: Tensor, banned: Tensor) -> Tensor:
            nonlocal total
            missing = notes * (1 - sounding)
            silence = (1 - notes) * (1 - banned)
            can_ban = missing.sum(-1, keepdim=True) < self.draws - voice
            true = torch.cat([missing, silence * can_ban], -1)
            mass = (log_probs.exp() * true).sum(-1)
            too_many = missing.sum(-1) > self.draws - voice
            mass = mass.clamp(min=torch.finfo(mass.dtype).tiny)  # keeps the gradient finite
            total = total + mass.log().masked_fill(too_many, -torch.inf)
            # With too many notes nothing may be allowed; any outcome keeps the shapes whole.
            weights = log_probs.exp() * torch.where(true.any(-1, keepdim=True), true, 1)
            return draw(weights.detach(), uniforms[..., voice])

        _, state = self._decide(features, state, choose)
        return total, state

    def sample(
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps.

        Parameters
        ----------
        features : Tensor[B, T, F]
        state : State
        uniforms : Tensor[B, T, V]
            Random numbers in [0, 1).
        temperature : float
            Outcomes are drawn with probability proportional to p^(1/temperature); at 0 the most
            probable is taken.

        Returns
        -------
        notes : Tensor[B, T, K]
            1 where a note sounds.
        state : State
        """

        def choose(voice: int, log_probs: Tensor, sounding: Tensor, banned: Tensor) -> Tensor:
            return draw_at(log_probs, uniforms[..., voice], temperature)

        return self._decide(features, state, choose)

    def _decide(self, features: Tensor, state: State, choose: Choice) -> tuple[Tensor, State]:
        """Let the voices decide in turn, each over the whole sequence at once."""
        decided = features.new_zeros(*features.shape[:2], 2 * self.keys)
        single = features.shape[1] == 1
        projections = [
            recurrent.project(lstm, features) if single else None for lstm in self.voices
        ]
        after: State = []
        for voice in range(self.draws):
            network = voice % len(self.voices)
            output, voice_state = recurrent.run(
                self.voices[network], [features, decided], state[voice], projections[network]
            )
            after.append(voice_state)
            sounding, banned = decided.split(self.keys, -1)
            either = sounding + banned
            mask = torch.cat([either, either], -1) > 0
            logits = self.outcomes[network](output).masked_fill(mask, -torch.inf)
            log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
            outcome = choose(voice, log_probs, sounding, banned)
            decided = decided + functional.one_hot(outcome, 2 * self.keys).to(decided.dtype)
        return decided[..., : self.keys], after
