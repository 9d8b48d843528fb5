"""Independent: each key sounds or not, on its own.

The sampler of the systems "first_model" and "latency_test": a linear layer gives a probability for
each key, and no key knows of another. Where the past leaves two chords open, it mixes their notes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Schema
from ostinato.notes.parts import unions


class Params(Schema):
    """It has none."""


class Sampler(nn.Module):
    """The independent sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Nothing.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each key.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    reach = 1
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.draws = keys
        self.keys = nn.Linear(features, keys)

    def initial(self, past: Tensor) -> None:
        """Make the state at the beginning of a sequence: nothing is remembered."""

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps that can be drawn: all; as for `ostinato.notes.samplers.banning`."""
        return torch.ones_like(notes[..., 0])

    def loss(
        self, features: Tensor, notes: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """Sum the clamped cross-entropies of the keys; as for `ostinato.notes.samplers.banning`."""
        return unions.cross_entropy(self._logits(features).sigmoid(), notes), state

    def log_prob(
        self, features: Tensor, notes: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """Compute the log-probability of notes, exactly.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        state, uniforms
            Not used.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state
            As it was.
        """
        signed = self._logits(features) * (2 * notes - 1)
        return functional.logsigmoid(signed).sum(-1), state

    def sample(
        self, features: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        """Draw the notes of some steps.

        Parameters
        ----------
        features : Tensor[B, T, F]
        state
            Not used.
        uniforms : Tensor[B, T, K]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0 a key sounds where that is the likelier.

        Returns
        -------
        notes : Tensor[B, T, K]
            1 where a note sounds.
        state
            As it was.
        """
        logits = self._logits(features)
        drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
        return drawn.to(logits.dtype), state

    def _logits(self, features: Tensor) -> Tensor:
        logits = self.keys(features)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
