"""Octaves: what decoders from 12 pitch classes to 88 keys have in common.

An LSTM reads the pitch classes of each step and the keys of the previous step. Also common to all
are which keys belong to a class, and how a draw is completed so that each sounding class has a key.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.notes.data.rolls import CLASS_OF_KEY
from ostinato.notes.parts.decoder import Decoder


class State(NamedTuple):
    """What a decoder keeps between calls.

    Attributes
    ----------
    keys : Tensor[B, 1, K]
        The previous step.
    lstm : recurrent.State
    """

    keys: Tensor
    lstm: recurrent.State


class Octaves(Decoder):
    """The LSTM of a decoder, and the classes of its keys; see `Decoder`.

    Parameters
    ----------
    num_uniforms, context_length : int
        As for `Decoder`.
    hidden : int
        H, number of cells of the LSTM.
    class_of_key : ndarray of int, shape [K], optional
        Pitch class of each key, from 0 to C - 1; by default, those of the 88 piano keys.
    """

    def __init__(
        self,
        num_uniforms: int,
        context_length: int,
        hidden: int,
        class_of_key: np.ndarray = CLASS_OF_KEY,
    ):
        super().__init__(num_uniforms, context_length)
        count = np.bincount(class_of_key)
        self.lstm = nn.LSTM(len(count) + len(class_of_key), hidden, batch_first=True)
        fold = functional.one_hot(torch.from_numpy(class_of_key)).float()
        self.register_buffer("fold", fold, persistent=False)
        rows = [np.flatnonzero(c == class_of_key) for c in range(len(count))]
        # [C, octaves]; filled up with K if a class has one key less.
        padded = [np.pad(r, (0, max(count) - len(r)), constant_values=sum(count)) for r in rows]
        self.register_buffer("keys_of_class", torch.from_numpy(np.stack(padded)), persistent=False)

    def initial(self, past: Tensor) -> State:
        return State(past[:, -1:], recurrent.zero_state(self.lstm, past))

    def follow(self, keys: Tensor, state: State) -> State:
        return self.listen(keys, state)[1]

    def listen(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the LSTM over known keys.

        Parameters
        ----------
        keys : Tensor[B, T, K]
            At each step, the LSTM sees their pitch classes and the keys of the previous step.
        state : State

        Returns
        -------
        outputs : Tensor[B, T, H]
        state : State
        """
        parts = [self.classes(keys), self.before(keys, state)]
        outputs, lstm = recurrent.run(self.lstm, parts, state.lstm)
        return outputs, State(keys[:, -1:], lstm)

    def before(self, keys: Tensor, state: State) -> Tensor:
        """Return the keys one step before each step: Tensor[B, T, K] to Tensor[B, T, K]."""
        return torch.cat([state.keys, keys[:, :-1]], 1)

    def log_prob_of(self, logits: Tensor, keys: Tensor) -> Tensor:
        """Compute the log-probability of keys that are drawn independently and then completed.

        A class of which no key is drawn gets its most probable key (see `complete`). So that key
        alone can result from two draws: the key itself, or no key.

        Parameters
        ----------
        logits : Tensor[..., K]
            The logit of each key.
        keys : Tensor[..., K]
            0 or 1.

        Returns
        -------
        Tensor[...]
            Nats, given the pitch classes of the keys.
        """
        each = -functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")
        drawn = self.by_class(each)
        nothing = self.by_class(functional.logsigmoid(-logits))
        best = keys.gather(-1, self.likeliest_keys(logits))
        alone = best * (self.by_class(keys) == 1)
        found = torch.where(alone > 0, torch.logaddexp(drawn, nothing), drawn)
        return (found * self.classes(keys)).sum(-1)

    def complete(self, keys: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """Drop keys of silent classes, and give each class without a key its most probable one.

        Parameters
        ----------
        keys, logits : Tensor[..., K]
        classes : Tensor[..., C]
            Those that sound.

        Returns
        -------
        Tensor[..., K]
        """
        keys = keys * self.keys_of(classes)
        missing = classes * (1 - self.classes(keys))
        return keys.scatter_reduce(-1, self.likeliest_keys(logits), missing, "amax")

    def likeliest_keys(self, logits: Tensor) -> Tensor:
        """Find the most probable key of each class: Tensor[..., K] to Tensor[..., C] of int64."""
        padded = functional.pad(logits, (0, 1), value=-torch.inf)
        count = len(self.keys_of_class)
        by_class = padded.index_select(-1, self.keys_of_class.flatten()).unflatten(-1, (count, -1))
        return self.keys_of_class[torch.arange(count, device=logits.device), by_class.argmax(-1)]

    def classes(self, keys: Tensor) -> Tensor:
        return self.by_class(keys).clamp(max=1)

    def by_class(self, values: Tensor) -> Tensor:
        """Sum over the keys of each class: Tensor[..., K] to Tensor[..., C]."""
        return values @ self.fold

    def keys_of(self, classes: Tensor) -> Tensor:
        """Mark the keys of the sounding classes: Tensor[..., C] to Tensor[..., K]."""
        return classes @ self.fold.T
