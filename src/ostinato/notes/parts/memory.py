"""Memory: the contract for turning the past into features. Each memory is a separate file."""

from typing import Any

import torch
from torch import Tensor, nn

CLOCK_BITS = 6
"""Number of bits of the clock, which is the index of the step modulo 64."""


class Memory(nn.Module):
    """Turns the past of each step into features, from which a sampler draws the step.

    A memory is a file with two classes: ``Model(keys, params)``, which derives from this class, and
    ``Params``, the schema of its parameters. Of whole notes it sees two rolls side by side, of
    struck and of held keys; then K is twice the number of keys.

    Parameters
    ----------
    num_features : int
        F, number of features per step.
    context_length : int
        Number of steps before each step that it reads directly, besides what its state keeps.
    """

    def __init__(self, num_features: int, context_length: int = 1):
        super().__init__()
        self.num_features, self.context_length = num_features, context_length

    def initial(self, past: Tensor) -> Any:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, C, K]
            The steps before it, at least `context_length`; those before a song are silent.

        Returns
        -------
        any
            The state, which covers all steps of the past but the last; `forward` reads that one.
        """
        raise NotImplementedError

    def forward(self, heard: Tensor, clock: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Compute the features of T steps.

        One call for T steps must give the same features as T calls for one step each.

        Parameters
        ----------
        heard : Tensor[B, C + T - 1, K]
            The C steps before them, and all but the last of the T steps; see `lagged`.
        clock : Tensor[B, T, 6]
            The indices of the T steps in binary, from `clock`.
        state : any
            From `initial` or an earlier call.

        Returns
        -------
        features : Tensor[B, T, F]
        state : any
        """
        raise NotImplementedError

    def reading(self, heard: Tensor, clock: Tensor, state: Any) -> Tensor | None:
        """Compute the weights with which it reads at each lag; None if it does not choose lags.

        Parameters
        ----------
        heard, clock, state
            As for `forward`.

        Returns
        -------
        Tensor[B, T, lags] or None
            The weight of each of its ``lags``; they sum to 1.
        """
        return None


def lagged(heard: Tensor, lag: int, steps: int) -> Tensor:
    """View what was played `lag` steps before each of the T steps.

    Parameters
    ----------
    heard : Tensor[B, C + T - 1, K]
        As for `Memory.forward`.
    lag : int
        Number of steps back, 1 to C.
    steps : int
        T, number of steps.

    Returns
    -------
    Tensor[B, T, K]
    """
    first = heard.shape[1] - steps + 1 - lag
    return heard[:, first : first + steps]


def clock(step: Tensor, dtype: torch.dtype) -> Tensor:
    """Write the indices of steps, modulo 64, in binary, lowest bit first.

    Parameters
    ----------
    step : Tensor[B, T] of int64
    dtype : torch.dtype
        Type of the result.

    Returns
    -------
    Tensor[B, T, 6]
        0 or 1.
    """
    bits = torch.arange(CLOCK_BITS, device=step.device)
    return (step[..., None] >> bits & 1).to(dtype)
