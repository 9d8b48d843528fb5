"""The LSTM decoder: remembers in which octave the playing goes on.

An LSTM over this step's pitch classes and the keys of the step before gives a probability for each
of the 88 keys; keys whose pitch class is silent are masked, in the loss too.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato import recurrent
from ostinato.params import Positive, Schema
from ostinato.rolls import CLASS_OF_KEY, CLASSES, KEYS


class Params(Schema):
    """Size of the decoder: cells of its LSTM."""

    hidden: Positive


class State(NamedTuple):
    """What the decoder keeps between calls.

    Attributes
    ----------
    keys : Tensor[B, 1, 88]
        The step before.
    lstm : recurrent.State
    """

    keys: Tensor
    lstm: recurrent.State


class Decoder(nn.Module):
    """The LSTM decoder.

    Parameters
    ----------
    params : Params
        Its size.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each key.
    """

    draws = KEYS

    def __init__(self, params: Params):
        super().__init__()
        self.lstm = nn.LSTM(CLASSES + KEYS, params.hidden, batch_first=True)
        self.keys = nn.Linear(params.hidden, KEYS)
        fold = functional.one_hot(torch.from_numpy(CLASS_OF_KEY), CLASSES).float()
        self.register_buffer("fold", fold, persistent=False)
        octaves = max(np.bincount(CLASS_OF_KEY))
        rows = [np.flatnonzero(c == CLASS_OF_KEY) for c in range(CLASSES)]
        # [12, octaves]; 88 stands where a class has a key less.
        keys = np.stack([np.pad(r, (0, octaves - len(r)), constant_values=KEYS) for r in rows])
        self.register_buffer("keys_of_class", torch.from_numpy(keys), persistent=False)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The keys before it, at least one step.

        Returns
        -------
        State
            With the LSTM at zero.
        """
        return State(past[:, -1:], recurrent.zero_state(self.lstm, past))

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute the loss of a batch of fragments.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The keys before, at least one step.
        keys : Tensor[B, T, 88]
            The true keys, 0 or 1.
        mask : Tensor[B, T]
            1 where the song has a step.

        Returns
        -------
        Tensor[]
            Cross-entropy in nats, the mean over all keys whose pitch class sounds.
        """
        logits, _ = self._logits(keys, self.initial(past))
        possible = self._possible(self.classes(keys)) * mask[..., None]
        loss = functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")
        return (loss * possible).sum() / possible.sum().clamp(min=1)

    def log_prob(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the log-probability of keys, given their pitch classes.

        Exact: independent keys leave open that a class sounds without a key, so the probability is
        divided by that of at least one key in each sounding class.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            The true keys, 0 or 1.
        state : State

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        logits, state = self._logits(keys, state)
        classes = self.classes(keys)
        possible = self._possible(classes)
        each = -functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")
        nothing = self._by_class(functional.logsigmoid(-logits))
        something = torch.log(-torch.expm1(nothing.clamp(max=-1e-12)))
        return (each * possible).sum(-1) - (something * classes).sum(-1), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step.

        Parameters
        ----------
        classes : Tensor[B, 1, 12]
            The pitch classes that sound.
        state : State
        uniforms : Tensor[B, 1, 88]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0 a key sounds where that is the likelier.

        Returns
        -------
        keys : Tensor[B, 1, 88]
            Each sounding class has at least one key: its most probable, if none is drawn.
        state : State
        """
        logits, lstm = self._step(classes, state)
        drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
        keys = self.complete(drawn.to(logits.dtype), logits, classes)
        return keys, State(keys, lstm)

    def follow(self, keys: Tensor, state: State) -> State:
        """Hear keys that are given: the state after them.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
        state : State
        """
        return self._logits(keys, state)[1]

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        """Decode each step of a known sequence, given its true past.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            The true keys; at each step only their pitch classes are used.
        state : State

        Returns
        -------
        Tensor[B, T, 88]
            The keys that are likelier to sound than not, at least one in each sounding class.
        """
        logits, _ = self._logits(keys, state)
        return self.complete((logits > 0).to(keys.dtype), logits, self.classes(keys))

    def complete(self, keys: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """Drop keys of silent classes, and give each class without a key its most probable one."""
        keys = keys * self._possible(classes)
        missing = classes * (1 - self.classes(keys))
        padded = functional.pad(logits, (0, 1), value=-torch.inf)
        by_class = padded.index_select(-1, self.keys_of_class.flatten()).unflatten(
            -1, (CLASSES, -1)
        )
        best = self.keys_of_class[torch.arange(CLASSES), by_class.argmax(-1)]
        return keys.scatter_reduce(-1, best, missing, "amax")

    def classes(self, keys: Tensor) -> Tensor:
        """Fold keys into pitch classes: Tensor[..., 88] to Tensor[..., 12]."""
        return self._by_class(keys).clamp(max=1)

    def _by_class(self, values: Tensor) -> Tensor:
        """Sum over the keys of each class."""
        return values @ self.fold

    def _possible(self, classes: Tensor) -> Tensor:
        """Mark the keys of the sounding classes."""
        return classes @ self.fold.T

    def _logits(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        before = torch.cat([state.keys, keys[:, :-1]], 1)
        output, lstm = recurrent.run(self.lstm, [self.classes(keys), before], state.lstm)
        return self._wide(output), State(keys[:, -1:], lstm)

    def _step(self, classes: Tensor, state: State) -> tuple[Tensor, recurrent.State]:
        output, lstm = recurrent.run(self.lstm, [classes, state.keys], state.lstm)
        return self._wide(output), lstm

    def _wide(self, output: Tensor) -> Tensor:
        logits = self.keys(output)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
