"""Decoder: the contract for turning pitch classes into keys. Each decoder is a separate file."""

from typing import Any

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """A distribution over the keys of each step, given their pitch classes and the keys before.

    A decoder is a file with two classes: ``Model(params)``, which derives from this class, and
    ``Params``, the schema of its parameters. This class itself decodes nothing: it is right if the
    generator writes keys.

    Parameters
    ----------
    num_uniforms : int
        U, number of random numbers in [0, 1) needed per step.
    context_length : int
        Number of steps before a sequence that `initial` reads.

    Attributes
    ----------
    exact : bool
        Whether `log_prob` is exact. Otherwise it is a lower bound, in expectation over the
        random numbers.
    """

    exact = True

    def __init__(self, num_uniforms: int = 0, context_length: int = 1):
        super().__init__()
        self.num_uniforms, self.context_length = num_uniforms, context_length

    def classes(self, keys: Tensor) -> Tensor:
        """Convert keys to the notes that a generator writes: Tensor[..., K] to Tensor[..., C]."""
        return keys

    def initial(self, past: Tensor) -> Any:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            The keys before it, at least `context_length` steps.
        """
        return None

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the training loss.

        Parameters
        ----------
        past : Tensor[B, P, K]
            As for `initial`.
        keys : Tensor[B, T, K]
            The true keys, 0 or 1.
        mask : Tensor[B, T]
            1 for the steps of the song, 0 for padding.
        uniforms : Tensor[B, T, U]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[]
        """
        return keys.new_zeros(())

    def counted(self, keys: Tensor, mask: Tensor) -> Tensor:
        """Count what the loss is the mean of: by default, the steps that are not padding."""
        return mask.sum()

    def log_prob(self, keys: Tensor, state: Any, uniforms: Tensor) -> tuple[Tensor, Any]:
        """Compute the log-probability of keys, given their pitch classes.

        Parameters
        ----------
        keys : Tensor[B, T, K]
            The true keys, 0 or 1.
        state : any
            From `initial` or an earlier call.
        uniforms : Tensor[B, T, U]
            Random numbers in [0, 1).

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; minus infinity if the decoder cannot draw the keys.
        state : any
        """
        return keys.new_zeros(keys.shape[:2]), state

    def sample(
        self, notes: Tensor, state: Any, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, Any]:
        """Draw the keys of one step.

        Parameters
        ----------
        notes : Tensor[B, 1, C]
            The pitch classes that sound.
        state : any
            From `initial` or an earlier call.
        uniforms : Tensor[B, 1, U]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0, the most probable outcome is taken.

        Returns
        -------
        keys : Tensor[B, 1, K]
            Each sounding class has at least one key; no other class has any.
        state : any
        """
        return notes, state

    def follow(self, keys: Tensor, state: Any) -> Any:
        """Process given keys, Tensor[B, T, K], and return the state after them."""
        return state

    def likeliest(self, keys: Tensor, state: Any) -> Tensor:
        """Decode each step of a known sequence at temperature 0, given its true past.

        Parameters
        ----------
        keys : Tensor[B, T, K]
            The true keys; at each step only their pitch classes are used.
        state : any

        Returns
        -------
        Tensor[B, T, K]
        """
        return keys

    def guess(self, notes: Tensor, past: Tensor, keys: Tensor, uniforms: Tensor) -> Tensor:
        """Draw the keys of each step of known music several times, given its true past.

        Parameters
        ----------
        notes : Tensor[D, B, T, C]
            The pitch classes of each of D draws.
        past : Tensor[B, P, K]
            The keys before.
        keys : Tensor[B, T, K]
            The true keys.
        uniforms : Tensor[D, B, T, U]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[D, B, T, K]
        """
        draws = len(notes)
        state = self.initial(past.repeat(draws, 1, 1))
        true, drawn = keys.repeat(draws, 1, 1), []
        for step in range(keys.shape[1]):
            now = slice(step, step + 1)
            written, chance = (each[:, :, now].flatten(0, 1) for each in (notes, uniforms))
            drawn.append(self.sample(written, state, chance, 1.0)[0])
            state = self.follow(true[:, now], state)
        return torch.cat(drawn, 1).unflatten(0, (draws, -1))
