"""Banning: each voice decides about one note, that it sounds or that it does not.

The sampler of the systems from "banning" to "the_model". One after another, each voice sees the
features and what has been decided so far. It draws one of 2K outcomes: "note k sounds" or "note k
does not sound" (a ban). Notes about which a voice has decided are masked out; those about which no
voice decides do not sound. Either each voice has its own LSTM, or all share one. In both cases each
voice has its own state, which runs along time.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import draw, draw_at, wide
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts.sampler import Sampler

State = list[recurrent.State]
"""The LSTM's state of each voice."""

Choice = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(voice, log-probabilities [B, T, 2K], sounding [B, T, K], banned [B, T, K]) -> outcome [B, T]."""

SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1, as in the notebooks."""


class Params(Schema):
    """Sizes of the banning sampler.

    Attributes
    ----------
    voices : int
        V, number of notes that are decided at each step.
    hidden : int
        Number of cells of each LSTM.
    shared : bool
        Whether all voices share one LSTM and its output layer.
    objective : str
        The training loss. ``"bound"``: the negative of `log_prob`. ``"marginals"``: the
        cross-entropy of each note's marginal probability; voices draw from their own distributions,
        and wrong decisions are reversed. ``"a_posteriori"``: the same, but voices draw from their
        distributions restricted to true decisions. With the marginals, a note may be drawn often as
        long as it is also banned often; this does not increase the loss, but shows in compositions.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Positive
    shared: bool
    objective: Literal["bound", "marginals", "a_posteriori"]


class Model(Sampler):
    """The banning sampler, for at least as many keys as voices; see `Sampler`.

    Which voice decided what is latent. In `log_prob`, each voice draws from its distribution
    restricted to outcomes that are true and that leave enough voices for all notes still missing.
    The total probability of these outcomes is an importance weight. By Jensen's inequality, the sum
    of its logarithms over voices and steps is at most log p(sequence) in expectation. The
    log-mean-exp over several draws of a whole sequence is a tighter bound.
    """

    exact = False
    remembers_draws = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__(params.voices)
        self.max_notes = params.voices
        self.keys = keys
        self.objective = params.objective
        networks = 1 if params.shared else params.voices
        self.voices = nn.ModuleList(
            nn.LSTM(features + 2 * keys, params.hidden, batch_first=True) for _ in range(networks)
        )
        self.outcomes = nn.ModuleList(nn.Linear(params.hidden, 2 * keys) for _ in range(networks))

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        return [recurrent.zero_state(self.voices[0], past)] * self.num_uniforms

    def loss(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        if self.objective == "bound":
            return super().loss(features, known, state, uniforms)
        return self._marginals(features, known[:, -features.shape[1] :], state, uniforms)

    def _marginals(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Sum the cross-entropy of each note's marginal probability over the keys.

        What the next voice sees is always true: a voice draws only what is true, or what it drew is
        reversed if wrong. A note sounds with probability p (1 - b), where p (drawn) and b (banned)
        both accumulate over the voices v as p + (1 - p) p_v.
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
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        notes = known[:, -features.shape[1] :]
        total = torch.zeros_like(notes[..., 0])

        def choose(voice: int, log_probs: Tensor, sounding: Tensor, banned: Tensor) -> Tensor:
            nonlocal total
            missing = notes * (1 - sounding)
            silence = (1 - notes) * (1 - banned)
            can_ban = missing.sum(-1, keepdim=True) < self.num_uniforms - voice
            true = torch.cat([missing, silence * can_ban], -1)
            mass = (log_probs.exp() * true).sum(-1)
            too_many = missing.sum(-1) > self.num_uniforms - voice
            mass = mass.clamp(min=torch.finfo(mass.dtype).tiny)  # keeps the gradient finite
            total = total + mass.log().masked_fill(too_many, -torch.inf)
            # With too many notes, no outcome may be allowed; then any will do.
            weights = log_probs.exp() * torch.where(true.any(-1, keepdim=True), true, 1)
            return draw(weights.detach(), uniforms[..., voice])

        _, state = self._decide(features, state, choose)
        return total, state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
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
        for voice in range(self.num_uniforms):
            network = voice % len(self.voices)
            output, voice_state = recurrent.run(
                self.voices[network], [features, decided], state[voice], projections[network]
            )
            after.append(voice_state)
            sounding, banned = decided.split(self.keys, -1)
            either = sounding + banned
            mask = torch.cat([either, either], -1) > 0
            logits = self.outcomes[network](output).masked_fill(mask, -torch.inf)
            log_probs = wide(logits).log_softmax(-1)
            outcome = choose(voice, log_probs, sounding, banned)
            decided = decided + functional.one_hot(outcome, 2 * self.keys).to(decided.dtype)
        return decided[..., : self.keys], after
