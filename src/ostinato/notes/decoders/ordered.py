"""The ordered decoder: draws the keys of given pitch classes from the lowest to the highest.

It draws as `ostinato.notes.samplers.ordered` does, but keys of silent classes are ruled out, and so
is "end" while a sounding class has no key. An LSTM reads the pitch classes of the step and the keys
of the previous step. Each draw also sees the output of this LSTM and which classes are still
missing. The probability of the keys, given their pitch classes, is exact.
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
from ostinato.notes.parts.ascending import Ascending, Rule, Ruling
from ostinato.notes.parts.octaves import Octaves


class Params(Schema):
    """Sizes of the ordered decoder.

    Attributes
    ----------
    hidden : int
        Number of cells of the LSTM, and width of the network's two layers.
    max_notes : int
        Maximum number of keys in a step; at least 12, enough for all pitch classes.
    """

    hidden: Positive
    max_notes: Annotated[int, Field(ge=CLASSES)]


class State(NamedTuple):
    """What the decoder keeps between calls.

    Attributes
    ----------
    heard : octaves.State
    age : Tensor[B, 1, K]
        Number of steps from when each key was last struck to the next step.
    """

    heard: octaves.State
    age: Tensor


class Model(Octaves):
    """The ordered decoder; see `Decoder`.

    It needs one random number per draw. Its loss is the negative log-probability in nats, averaged
    over all steps that are not padding and do not have too many keys.

    Parameters
    ----------
    params : Params
        Its sizes.
    class_of_key : ndarray of int, shape [K], optional
        Pitch class of each key; by default, those of the 88 piano keys.
    """

    def __init__(self, params: Params, class_of_key: np.ndarray = CLASS_OF_KEY):
        super().__init__(params.max_notes, ascending.REACH, params.hidden, class_of_key)
        keys, count = self.fold.shape
        self.next = Ascending(params.hidden, keys, params.hidden, params.max_notes, told=count)
        highest = [np.flatnonzero(c == class_of_key)[-1] for c in range(count)]
        self.register_buffer("highest", torch.tensor(highest), persistent=False)

    def initial(self, past: Tensor) -> State:
        age = ascending.ages(past, ascending.never(past, past.shape[2]))
        return State(super().initial(past), age[:, -1:])

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        log_prob, _ = self.log_prob(keys, self.initial(past), uniforms)
        counted = mask * log_prob.isfinite()
        return -(log_prob.masked_fill(counted == 0, 0)).sum() / counted.sum().clamp(min=1)

    def counted(self, keys: Tensor, mask: Tensor) -> Tensor:
        return (mask * (keys.count_nonzero(-1) <= self.next.max_notes)).sum()

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        output, age, after = self._listen(keys, state)
        classes = self.classes(keys).flatten(0, 1)
        rows = (each.flatten(0, 1) for each in (output, age, keys))
        return self.next.log_prob(*rows, self._ruling(classes)).view(keys.shape[:2]), after

    def sample(
        self, notes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        output, lstm = recurrent.run(self.lstm, [notes, state.heard.keys], state.heard.lstm)
        rows = (each[:, 0] for each in (output, state.age, uniforms))
        keys = self.next.sample(*rows, temperature, self._ruling(notes[:, 0]))[:, None]
        return keys, State(octaves.State(keys, lstm), ascending.ages(keys, state.age))

    def follow(self, keys: Tensor, state: State) -> State:
        return self._listen(keys, state)[2]

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        output, age, _ = self._listen(keys, state)
        ruling = self._ruling(self.classes(keys).flatten(0, 1))
        unused = keys.new_zeros(keys.shape[:2].numel(), self.num_uniforms)
        rows = output.flatten(0, 1), age.flatten(0, 1), unused
        return self.next.sample(*rows, 0, ruling).view(keys.shape)

    def _listen(self, keys: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Process known keys; return outputs [B, T, H], ages [B, T, K] at each step, and state."""
        output, heard = self.listen(keys, state.heard)
        after = ascending.ages(keys, state.age)
        return output, torch.cat([state.age, after[:, :-1]], 1), State(heard, after[:, -1:])

    def _ruling(self, classes: Tensor) -> Ruling:
        """Allow only draws that can still lead to the given classes of each step, Tensor[N, C]."""

        def rule(step: Tensor, place: Tensor, last: Tensor, drawn: Tensor) -> Rule:
            wanted = classes[step]
            missing = wanted * (1 - self.classes(drawn))
            count = missing.sum(-1, keepdim=True)
            keys = torch.arange(drawn.shape[1], device=last.device)
            # A key must not lie above the highest key of a missing class,
            limit = torch.where(missing > 0, self.highest, len(keys)).amin(-1, keepdim=True)
            above = (keys >= last[:, None]) & (keys <= limit)
            # and must not use up a draw that a missing class needs.
            spare = count < self.num_uniforms - place[:, None]
            useful = torch.where(spare, self.keys_of(wanted), self.keys_of(missing)) > 0
            return Rule(torch.cat([above & useful, count == 0], -1), missing)

        return rule
