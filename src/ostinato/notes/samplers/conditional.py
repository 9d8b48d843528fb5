"""Conditional: voices draw in turn, each knowing what has been drawn so far.

The sampler of the systems from "conditional_voices" to "true_loss". Each voice sees the features
and the union of the draws before it, and draws a key or a pause; a note sounds if any voice draws
it. In training, a voice draws from its distribution restricted to the true notes and the pause, so
what the next one sees is always true. Which voice drew what is latent: the notebooks train the
marginal probability of each note, or treat the draws as independent and train the probability of
the set.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import draw, draw_at
from ostinato.core.schema import Schema
from ostinato.notes.data.rolls import CLASSES, KEYS
from ostinato.notes.parts import unions
from ostinato.notes.parts.sampler import Sampler

State = list[recurrent.State]
"""The state of each voice's LSTM; empty if the voices are linear."""

Choice = Callable[[int, Tensor, Tensor], Tensor]
"""(voice, log-probabilities [B, T, K + 1], drawn so far [B, T, K]) -> outcome [B, T]."""

NEGATIVES = 80
"""Number of random sets per step whose probability the objective "negatives" reduces."""


class Params(Schema):
    """Sizes and objective of the conditional sampler.

    Attributes
    ----------
    voices : int
        V, the maximum number of notes at a step.
    hidden : int
        Number of cells of each voice's own LSTM, whose state runs along time; 0: each voice is a
        linear layer.
    stop_gradient : bool
        Whether to stop the gradient through 1 - p in the marginal probabilities, which accumulate
        over the voices v as p + (1 - p) p_v.
    pause_loss : bool
        Whether to add the cross-entropy of "all voices pause" against "the step is silent".
    double_loss : bool
        Whether to add the cross-entropy of V independent voices on the features, which are used
        for nothing else.
    objective : str
        The training loss. ``"marginals"``: the cross-entropy of each note's marginal probability.
        ``"union"``: the negative log-probability of the true set, as if the voices had drawn
        independently. ``"negatives"``: the mean of that and of -log(1 - p) for each of 80 random
        sets with no more notes than voices, which counts 0 if the random set is the true one.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Annotated[int, Field(ge=0)]
    stop_gradient: bool
    pause_loss: bool
    double_loss: bool
    objective: Literal["marginals", "union", "negatives"]

    @property
    def most_keys(self) -> int:
        """Largest number of keys: 12 with the objective "negatives", which lists all sets."""
        return CLASSES if self.objective == "negatives" else KEYS


class Model(Sampler):
    """The conditional sampler; see `Sampler`.

    It needs one random number per voice, then one per random set of the objective "negatives".
    `log_prob` is a lower bound from restricted draws, as in `ostinato.notes.samplers.banning`: a
    voice may pause or draw a note again only while more voices are left than notes are missing.
    """

    exact = False
    remembers_draws = True

    def __init__(self, features: int, keys: int, params: Params):
        negatives = NEGATIVES if params.objective == "negatives" else 0
        super().__init__(params.voices + negatives)
        self.max_notes = params.voices
        self.keys = keys
        self.params = params
        size = features + keys
        self.lstms = nn.ModuleList()
        if params.hidden:
            self.lstms.extend(
                nn.LSTM(size, params.hidden, batch_first=True) for _ in range(params.voices)
            )
            size = params.hidden
        self.outcomes = nn.ModuleList(
            unions.Categoricals(size, 1, keys) for _ in range(params.voices)
        )
        if params.double_loss:
            self.independent = unions.Categoricals(features, params.voices, keys)
        if params.objective == "negatives":
            sets = unions.every_set(keys, "samplers.conditional with the objective negatives")
            drawable = sets[sets.sum(-1) <= params.voices]
            self.register_buffer("drawable", drawable, persistent=False)

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        return [recurrent.zero_state(lstm, past) for lstm in self.lstms]

    def loss(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        notes = known[:, -features.shape[1] :]
        wrong = functional.pad(notes, (0, 1)) == 0
        wrong[..., -1] = False  # the pause stays possible, and so does a note drawn before
        answers: list[Tensor] = []

        def choose(voice: int, log_probs: Tensor, drawn: Tensor) -> Tensor:
            answers.append(log_probs)
            restricted = log_probs.detach().masked_fill(wrong, -torch.inf).softmax(-1)
            return draw(restricted, uniforms[..., voice])

        _, state = self._decide(features, state, choose)
        log_probs = torch.stack(answers, -2)
        if self.params.objective == "marginals":
            loss = unions.cross_entropy(self._marginals(log_probs), notes)
        else:
            loss = -unions.log_prob(log_probs, notes)
            if self.params.objective == "negatives":
                pushed = self._negatives(log_probs, notes, uniforms[..., self.params.voices :])
                loss = (loss + pushed) / (1 + NEGATIVES)
            loss = loss.masked_fill(loss.isinf(), 0)
        if self.params.pause_loss:
            silence = log_probs[..., -1].sum(-1, keepdim=True).exp()
            loss = loss + unions.cross_entropy(silence, 1 - notes.amax(-1, keepdim=True))
        if self.params.double_loss:
            second = unions.marginals(self.independent(features))
            loss = loss + unions.cross_entropy(second, notes)
        return loss, state

    def _marginals(self, log_probs: Tensor) -> Tensor:
        """Accumulate the marginal probability of each note over the voices."""
        p = torch.zeros_like(log_probs[..., 0, :-1])
        for voice in log_probs[..., :-1].exp().unbind(-2):
            rest = 1 - p
            p = p + (rest.detach() if self.params.stop_gradient else rest) * voice
        return p

    def _negatives(self, log_probs: Tensor, notes: Tensor, uniforms: Tensor) -> Tensor:
        """Sum -log(1 - p) over random sets, which are drawn uniformly; the true set counts 0."""
        sets = self.drawable[(uniforms * len(self.drawable)).long()]
        wrong = (sets != notes[..., None, :]).any(-1)
        log_p = unions.log_prob(log_probs[..., None, :, :], sets)
        p = log_p.exp().clamp(max=1 - unions.SMALLEST)
        return -(torch.log1p(-p) * wrong).sum(-1)

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        notes = known[:, -features.shape[1] :]
        total = torch.zeros_like(notes[..., 0])

        def choose(voice: int, log_probs: Tensor, drawn: Tensor) -> Tensor:
            nonlocal total
            missing = notes * (1 - drawn)
            count = missing.sum(-1, keepdim=True)
            left = self.params.voices - voice
            idle = torch.cat([notes * drawn, torch.ones_like(count)], -1) * (count < left)
            allowed = (functional.pad(missing, (0, 1)) + idle) > 0
            restricted = log_probs.masked_fill(~allowed, -torch.inf)
            mass = restricted.logsumexp(-1)
            total = total + mass.masked_fill(count[..., 0] > left, -torch.inf)
            return draw(restricted.detach().softmax(-1), uniforms[..., voice])

        _, state = self._decide(features, state, choose)
        return total, state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        def choose(voice: int, log_probs: Tensor, drawn: Tensor) -> Tensor:
            return draw_at(log_probs, uniforms[..., voice], temperature)

        return self._decide(features, state, choose)

    def _decide(self, features: Tensor, state: State, choose: Choice) -> tuple[Tensor, State]:
        """Let the voices draw in turn, each over the whole sequence at once."""
        drawn = features.new_zeros(*features.shape[:2], self.keys)
        after: State = []
        for voice, outcomes in enumerate(self.outcomes):
            seen = [features, drawn]
            if self.lstms:
                output, voice_state = recurrent.run(self.lstms[voice], seen, state[voice])
                after.append(voice_state)
            else:
                output = torch.cat(seen, -1)
            outcome = choose(voice, outcomes(output)[..., 0, :], drawn)
            now = functional.one_hot(outcome, self.keys + 1)[..., :-1]
            drawn = torch.maximum(drawn, now.to(drawn.dtype))
        return drawn, after
