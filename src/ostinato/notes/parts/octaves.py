"""Octaves: what the decoders from 12 pitch classes to 88 keys have in common.

An LSTM over this step's pitch classes and the keys of the step before follows the playing; which
keys a class has, and which of them are left when it sounds, is the same for all.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.notes.data.rolls import CLASS_OF_KEY


class State(NamedTuple):
    """What a decoder keeps between calls.

    Attributes
    ----------
    keys : Tensor[B, 1, K]
        The step before.
    lstm : recurrent.State
    """

    keys: Tensor
    lstm: recurrent.State


class Octaves(nn.Module):
    """The LSTM of a decoder, and its keyboard.

    Parameters
    ----------
    hidden : int
        H, cells of the LSTM.
    class_of_key : ndarray of int, shape [K], optional
        Pitch class of each key, C classes from 0 on; the piano's 88 if left out.
    """

    def __init__(self, hidden: int, class_of_key: np.ndarray = CLASS_OF_KEY):
        super().__init__()
        count = np.bincount(class_of_key)
        self.lstm = nn.LSTM(len(count) + len(class_of_key), hidden, batch_first=True)
        fold = functional.one_hot(torch.from_numpy(class_of_key)).float()
        self.register_buffer("fold", fold, persistent=False)
        rows = [np.flatnonzero(c == class_of_key) for c in range(len(count))]
        # [C, octaves]; K stands where a class has a key less.
        padded = [np.pad(r, (0, max(count) - len(r)), constant_values=sum(count)) for r in rows]
        self.register_buffer("keys_of_class", torch.from_numpy(np.stack(padded)), persistent=False)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            The keys before it, at least one step.

        Returns
        -------
        State
            With the LSTM at zero.
        """
        return State(past[:, -1:], recurrent.zero_state(self.lstm, past))

    def follow(self, keys: Tensor, state: State) -> State:
        """Hear keys that are given: the state after them.

        Parameters
        ----------
        keys : Tensor[B, T, K]
        state : State
        """
        return self.listen(keys, state)[1]

    def listen(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the LSTM over known keys.

        Parameters
        ----------
        keys : Tensor[B, T, K]
            At each step the LSTM sees their pitch classes and the keys of the step before.
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
        """Give the keys of the step before each: Tensor[B, T, K] to Tensor[B, T, K]."""
        return torch.cat([state.keys, keys[:, :-1]], 1)

    def log_prob_of(self, logits: Tensor, keys: Tensor) -> Tensor:
        """Compute the log-probability of keys that are drawn independently and then completed.

        A class of which no key is drawn gets its most probable one (see `complete`), so that key
        alone is what comes of two draws.

        Parameters
        ----------
        logits : Tensor[..., K]
            Of each key's probability.
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
        keys = keys * self.possible(classes)
        missing = classes * (1 - self.classes(keys))
        return keys.scatter_reduce(-1, self.likeliest_keys(logits), missing, "amax")

    def likeliest_keys(self, logits: Tensor) -> Tensor:
        """Find the most probable key of each class: Tensor[..., K] to Tensor[..., C] of int64."""
        padded = functional.pad(logits, (0, 1), value=-torch.inf)
        count = len(self.keys_of_class)
        by_class = padded.index_select(-1, self.keys_of_class.flatten()).unflatten(-1, (count, -1))
        return self.keys_of_class[torch.arange(count, device=logits.device), by_class.argmax(-1)]

    def classes(self, keys: Tensor) -> Tensor:
        """Fold keys into pitch classes: Tensor[..., K] to Tensor[..., C]."""
        return self.by_class(keys).clamp(max=1)

    def by_class(self, values: Tensor) -> Tensor:
        """Sum over the keys of each class: Tensor[..., K] to Tensor[..., C]."""
        return values @ self.fold

    def possible(self, classes: Tensor) -> Tensor:
        """Mark the keys of the sounding classes: Tensor[..., C] to Tensor[..., K]."""
        return classes @ self.fold.T
