"""The ordered decoder: draws the keys of given pitch classes from the lowest to the highest.

The counterpart of `ostinato.notes.samplers.ordered`, where keys of silent classes are ruled out and
"end" is, too, while a sounding class has no key. An LSTM over this step's pitch classes and the
keys of the step before follows the playing; each draw sees its output, the classes still missing,
the keys drawn so far, what was struck in the steps before, and the intervals between them. The
probability of the keys, given their pitch classes, is exact.
"""

from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASS_OF_KEY, CLASSES
from ostinato.notes.parts import ascending, octaves
from ostinato.notes.parts.ascending import Ascending
from ostinato.notes.parts.octaves import Octaves


class Params(Schema):
    """Sizes of the ordered decoder.

    Attributes
    ----------
    hidden : int
        Cells of the LSTM, and width of the network's two layers.
    most : int
        Keys of a step at the most: enough for all pitch classes.
    """

    hidden: Positive
    most: Annotated[int, Field(ge=CLASSES)]


class State(NamedTuple):
    """What the decoder keeps between calls.

    Attributes
    ----------
    heard : octaves.State
    age : Tensor[B, 1, K]
        Steps since each key was struck, at the next step.
    """

    heard: octaves.State
    age: Tensor


class Decoder(Octaves):
    """The ordered decoder.

    Parameters
    ----------
    params : Params
        Its sizes.
    class_of_key : ndarray of int, shape [K], optional
        Pitch class of each key; the piano's 88 if left out.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each draw.
    reach : int
        Steps before a sequence that it wants to know: until what was struck is forgotten.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    reach = ascending.REACH
    exact = True

    def __init__(self, params: Params, class_of_key: np.ndarray = CLASS_OF_KEY):
        super().__init__(params.hidden, class_of_key)
        self.draws = params.most
        keys, count = self.fold.shape
        self.next = Ascending(params.hidden, keys, params.hidden, more=count)
        highest = [np.flatnonzero(c == class_of_key)[-1] for c in range(count)]
        self.register_buffer("highest", torch.tensor(highest), persistent=False)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence; as for `ostinato.notes.parts.octaves`."""
        _, age = ascending.ages(past, ascending.never(past, past.shape[2]))
        return State(super().initial(past), age)

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the loss of a batch of fragments.

        Parameters
        ----------
        past, keys, mask, uniforms
            As for `ostinato.notes.decoders.lstm.Decoder.forward`.

        Returns
        -------
        Tensor[]
            Negative log-probability in nats, the mean over the steps that the songs have and that
            do not have too many keys.
        """
        log_prob, _ = self.log_prob(keys, self.initial(past), uniforms)
        counted = mask * log_prob.isfinite()
        return -(log_prob.masked_fill(counted == 0, 0)).sum() / counted.sum().clamp(min=1)

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of keys, given their pitch classes, exactly.

        Parameters
        ----------
        keys : Tensor[B, T, K]
            The true keys, 0 or 1.
        state : State
        uniforms
            Not used.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity where there are too many keys.
        state : State
        """
        prepared, memory, state = self._prepare(keys, state)
        known = ascending.draws_of(keys.flatten(0, 1), self.draws)
        log_probs = self._logits(
            prepared[known.step],
            memory[known.step],
            self.classes(keys).flatten(0, 1)[known.step],
            known.drawn,
            known.last,
            known.place,
        ).log_softmax(-1)
        each = log_probs.gather(-1, known.outcome[:, None])[:, 0]
        nats = ascending.total(each, known, len(prepared), self.draws).view(keys.shape[:2])
        return nats.masked_fill(keys.sum(-1) > self.draws, -torch.inf), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step.

        Parameters
        ----------
        classes : Tensor[B, 1, C]
            The pitch classes that sound.
        state : State
        uniforms : Tensor[B, 1, draws]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0 each draw takes the most probable outcome.

        Returns
        -------
        keys : Tensor[B, 1, K]
            Each sounding class has at least one key.
        state : State
        """
        output, lstm = recurrent.run(self.lstm, [classes, state.heard.keys], state.heard.lstm)
        memory = ascending.traces(state.age[:, 0])
        prepared = self.next.prepare(output[:, 0], memory)
        keys = self._draw(prepared, memory, classes[:, 0], uniforms[:, 0], temperature)[:, None]
        _, age = ascending.ages(keys, state.age)
        return keys, State(octaves.State(keys, lstm), age)

    def follow(self, keys: Tensor, state: State) -> State:
        """Hear keys that are given, as `ostinato.notes.parts.octaves.Octaves.follow`."""
        return self._prepare(keys, state)[2]

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        """Decode each step of a known sequence, given its true past, at temperature 0.

        Parameters and result are as for `ostinato.notes.decoders.lstm.Decoder.likeliest`.
        """
        prepared, memory, _ = self._prepare(keys, state)
        unused = prepared.new_zeros(len(prepared), self.draws)
        classes = self.classes(keys).flatten(0, 1)
        return self._draw(prepared, memory, classes, unused, 0).view(keys.shape)

    def _prepare(self, keys: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Compute what the draws of known steps see: Tensor[B * T, H], Tensor[B * T, S, K]."""
        output, heard = self.listen(keys, state.heard)
        before, age = ascending.ages(keys, state.age)
        memory = ascending.traces(before).flatten(0, 1)
        return self.next.prepare(output.flatten(0, 1), memory), memory, State(heard, age)

    def _draw(
        self,
        prepared: Tensor,
        memory: Tensor,
        classes: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> Tensor:
        """Draw the keys of some steps: Tensor[N, K]."""

        def logits(drawn: Tensor, last: Tensor, place: int) -> Tensor:
            places = torch.full_like(last, place)
            return self._logits(prepared, memory, classes, drawn, last, places)

        return ascending.draw_notes(logits, torch.zeros_like(memory[:, 0]), uniforms, temperature)

    def _logits(
        self,
        prepared: Tensor,
        memory: Tensor,
        classes: Tensor,
        drawn: Tensor,
        last: Tensor,
        place: Tensor,
    ) -> Tensor:
        """Compute the logits of draws, with only those left that can lead to the given classes."""
        missing = classes * (1 - self.classes(drawn))
        logits = self.next(prepared, memory, drawn, last, missing)
        count = missing.sum(-1, keepdim=True)
        keys = torch.arange(drawn.shape[1], device=last.device)
        # No key may leave a missing class without a key above it,
        limit = torch.where(missing > 0, self.highest, len(keys)).amin(-1, keepdim=True)
        above = (keys >= last[:, None]) & (keys <= limit)
        # and none may take a draw that a missing class needs.
        spare = count < self.draws - place[:, None]
        wanted = torch.where(spare, self.possible(classes), self.possible(missing)) > 0
        allowed = torch.cat([above & wanted, count == 0], -1)
        return logits.masked_fill(~allowed, -torch.inf)
