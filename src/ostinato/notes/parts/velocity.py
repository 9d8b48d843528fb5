"""Velocity: how hard each key is struck.

The velocity model of the system "velocity"; it can be combined with any decoder. An LSTM reads the
keys of a step and the velocities of the previous step, and predicts a velocity for each key. It is
trained on the squared error of the keys that are struck.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.categorical import wide
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import KEYS


class Params(Schema):
    """Size of the model: number of cells of its LSTM."""

    hidden: Positive


class State(NamedTuple):
    """What the model keeps between calls.

    Attributes
    ----------
    velocities : Tensor[B, 1, 88]
        Those of the previous step.
    lstm : recurrent.State
    """

    velocities: Tensor
    lstm: recurrent.State


class Velocity(nn.Module):
    """The velocity model; it has the interface of `ostinato.notes.parts.dynamics.Dynamics`.

    Velocities are MIDI velocities divided by 128, and 0 where a key is not struck. Where a key is
    held, they are negative, and it keeps the velocity it was struck with.

    Parameters
    ----------
    params : Params
        Its size.
    """

    num_uniforms = 0

    def __init__(self, params: Params):
        super().__init__()
        self.lstm = nn.LSTM(2 * KEYS, params.hidden, batch_first=True)
        self.velocities = nn.Linear(params.hidden, KEYS)

    def initial(self, past: Tensor, positions: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The velocities before it, at least one step.
        positions : Tensor
            Not used.

        Returns
        -------
        State
            With the LSTM's state at zero.
        """
        return State(past[:, -1:], recurrent.zero_state(self.lstm, past))

    def forward(self, past: Tensor, velocities: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Compute the loss of a batch of fragments.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The velocities before, at least one step.
        velocities : Tensor[B, T, 88]
            The true ones.
        mask : Tensor[B, T]
            1 for the steps of the song, 0 for padding.
        positions : Tensor
            Not used.

        Returns
        -------
        Tensor[]
            Squared error, averaged over all keys that are struck.
        """
        found, _ = self._follow(velocities, self.initial(past, positions))
        struck = (velocities > 0) * mask[..., None]
        return ((found - velocities).square() * struck).sum() / struck.sum().clamp(min=1)

    def sample(
        self, keys: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Predict the velocities of the keys of one step; this is deterministic.

        Parameters
        ----------
        keys : Tensor[B, 1, 88]
            1 where a key is struck, -1 where it is held.
        state : State
        uniforms, temperature
            Not used.

        Returns
        -------
        velocities : Tensor[B, 1, 88]
        state : State
        """
        struck = keys.relu()
        output, lstm = recurrent.run(self.lstm, [struck, state.velocities], state.lstm)
        held = -state.velocities.abs() * (keys < 0)
        velocities = self._velocities(output) * struck + held
        return velocities, State(velocities, lstm)

    def follow(self, velocities: Tensor, state: State) -> State:
        """Process given velocities, and return the state after them.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
        state : State
        """
        return self._follow(velocities, state)[1]

    def _follow(self, velocities: Tensor, state: State) -> tuple[Tensor, State]:
        keys = (velocities > 0).to(velocities.dtype)
        before = torch.cat([state.velocities, velocities[:, :-1]], 1)
        output, lstm = recurrent.run(self.lstm, [keys, before], state.lstm)
        return self._velocities(output), State(velocities[:, -1:], lstm)

    def _velocities(self, output: Tensor) -> Tensor:
        return wide(self.velocities(output)).sigmoid()
