"""Linear: one output for each key, trained by squared error.

Squared error makes each output the probability of its key, as far as the features tell, though
nothing keeps it between 0 and 1. So drawing bends the outputs into a distribution, in the author's
way: sound something with probability of their sum (negative ones count as 0, the sum as 1 at most),
then one key, in proportion to its output. A melody comes out, never a chord.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.categorical import draw_at
from ostinato.core.schema import Schema


class Params(Schema):
    """It has none."""


class Sampler(nn.Module):
    """The linear sampler.

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
        Random numbers that it needs a step: one.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    draws = 1
    reach = 1
    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = nn.Linear(features, keys)

    def initial(self, past: Tensor) -> None:
        """Make the state at the beginning of a sequence: nothing is remembered."""

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps with at most one note; as for `ostinato.notes.samplers.banning`."""
        return (notes.sum(-1) <= 1).to(notes.dtype)

    def loss(
        self, features: Tensor, notes: Tensor, state: None, uniforms: Tensor
    ) -> tuple[Tensor, None]:
        """Sum the squared errors of the keys, which are no nats.

        Otherwise as for `ostinato.notes.samplers.banning`.
        """
        return (self._outputs(features) - notes).square().sum(-1), state

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
            Nats; minus infinity where there are several notes, and where an output of 0 or less, or
            silence after a sum of 1 or more, has no probability.
        state
            As it was.
        """
        silence = 1 - notes.amax(-1, keepdim=True)
        p = (self._probabilities(features) * torch.cat([notes, silence], -1)).sum(-1)
        never = (p == 0) | (self.possible(notes) == 0)
        smallest = torch.finfo(p.dtype).tiny  # keeps the gradient finite
        return p.clamp(min=smallest).log().masked_fill(never, -torch.inf), state

    def sample(
        self, features: Tensor, state: None, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, None]:
        """Draw the notes of some steps.

        Parameters
        ----------
        features : Tensor[B, T, F]
        state
            Not used.
        uniforms : Tensor[B, T, 1]
            Random numbers in [0, 1).
        temperature : float
            Each key and silence are drawn with probability proportional to p^(1/temperature); at 0
            the most probable is taken.

        Returns
        -------
        notes : Tensor[B, T, K]
            1 where a note sounds.
        state
            As it was.
        """
        p = self._probabilities(features)
        outcome = draw_at(p.log(), uniforms[..., 0], temperature)
        return functional.one_hot(outcome, p.shape[-1])[..., :-1].to(p.dtype), state

    def _outputs(self, features: Tensor) -> Tensor:
        outputs = self.keys(features)
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    def _probabilities(self, features: Tensor) -> Tensor:
        """Compute the probabilities [B, T, K + 1] of each key alone and, the last, of silence."""
        outputs = self._outputs(features).relu()
        total = outputs.sum(-1, keepdim=True)
        return torch.cat([outputs / total.clamp(min=1), (1 - total).relu()], -1)
