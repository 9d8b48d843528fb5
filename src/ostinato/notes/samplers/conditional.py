"""Conditional: voices draw in turn, each knowing what was drawn so far.

The sampler of the systems from "conditional_voices" to "true_loss". Each voice sees the features
and the union of the draws before it, and draws a key or a pause; a note sounds if any voice draws
it. In training a voice draws from its distribution restricted to the true notes and the pause, so
what the next one sees is always true. Which voice drew what is hidden: the author trains each
note's probability over the voices, or treats the draws as independent and trains that of the set.
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

State = list[recurrent.State]
"""The state of each voice's LSTM; empty where the voices are linear."""

Choice = Callable[[int, Tensor, Tensor], Tensor]
"""(voice, log-probabilities [B, T, K + 1], drawn so far [B, T, K]) -> outcome [B, T]."""

NEGATIVES = 80
"""Random sets a step whose probability the objective "negatives" pushes down."""


class Params(Schema):
    """Sizes and objective of the conditional sampler.

    Attributes
    ----------
    voices : int
        V, the most notes that can sound in a step.
    hidden : int
        Cells of each voice's own LSTM, whose state runs along time; 0: each voice is a linear map.
    stop_gradient : bool
        In the marginals, which accumulate over the voices as p + (1 - p) p_v, let no gradient
        through 1 - p.
    pause_loss : bool
        Add the cross-entropy of "all voices pause" against "the step is silent".
    double_loss : bool
        Add the cross-entropy of as many independent voices on the features, which serve for
        nothing else.
    objective : str
        What training minimises: ``"marginals"``, the cross-entropy of each note's marginal;
        ``"union"``, the negative log-probability of the true set as if the voices had drawn
        independently; ``"negatives"``, the mean of that and, for 80 random sets of no more notes
        than voices, of -log(1 - p) where they are wrong.
    """

    voices: Annotated[int, Field(ge=1, le=CLASSES)]
    hidden: Annotated[int, Field(ge=0)]
    stop_gradient: bool
    pause_loss: bool
    double_loss: bool
    objective: Literal["marginals", "union", "negatives"]

    @property
    def most_keys(self) -> int:
        """Keys that it can write: 12 with the objective "negatives", which lists all sets."""
        return CLASSES if self.objective == "negatives" else KEYS


class Sampler(nn.Module):
    """The conditional sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys (or pitch classes) a step; at most 12 for the objective "negatives".
    params : Params
        Sizes and objective.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each voice, then one for each random set.
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
        self.params = params
        self.draws = params.voices
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
            self.draws += NEGATIVES
            sets = unions.every_set(keys, "samplers.conditional with the objective negatives")
            drawable = sets[sets.sum(-1) <= params.voices]
            self.register_buffer("drawable", drawable, persistent=False)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence, from the past only for batch and type."""
        return [recurrent.zero_state(lstm, past) for lstm in self.lstms]

    def possible(self, notes: Tensor) -> Tensor:
        """Mark those with no more notes than voices; as for `ostinato.notes.samplers.banning`."""
        return (notes.sum(-1) <= self.params.voices).to(notes.dtype)

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
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).

        Returns
        -------
        loss : Tensor[B, T]
            Nats. Of ``"union"`` and ``"negatives"``, 0 at steps with more notes than voices, but
            for what pause and double loss add.
        state : State
        """
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
        """Accumulate the voices' probabilities of each note."""
        p = torch.zeros_like(log_probs[..., 0, :-1])
        for voice in log_probs[..., :-1].exp().unbind(-2):
            rest = 1 - p
            p = p + (rest.detach() if self.params.stop_gradient else rest) * voice
        return p

    def _negatives(self, log_probs: Tensor, notes: Tensor, uniforms: Tensor) -> Tensor:
        """Sum -log(1 - p) over random sets, each as likely as any other; the true set counts 0."""
        sets = self.drawable[(uniforms * len(self.drawable)).long()]
        wrong = (sets != notes[..., None, :]).any(-1)
        log_p = unions.log_prob(log_probs[..., None, :, :], sets)
        p = log_p.exp().clamp(max=1 - unions.SMALLEST)
        return -(torch.log1p(-p) * wrong).sum(-1)

    def log_prob(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute a lower bound, in expectation over the draws, of the log-probability of notes.

        By restricted draws, as in `ostinato.notes.samplers.banning`. A voice may pause or draw a
        note again only while there are more voices left than missing notes.

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
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps; as for `ostinato.notes.samplers.banning`."""

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
