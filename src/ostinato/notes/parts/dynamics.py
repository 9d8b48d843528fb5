"""Dynamics: how hard each key is struck, as a distribution over MIDI velocities.

An LSTM reads the metre, the keys of a step and the velocities of the previous step. Then each key
that is struck, from the lowest to the highest, gets a velocity from 1 to 127 from a mixture of
discretised logistic distributions (Salimans, Karpathy, Chen and Kingma, 2017, "PixelCNN++",
arXiv:1701.05517), given the velocities of the keys below. The likelihood is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import draw_at, wide
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.metre import Metre
from ostinato.notes.parts.velocity import Params

LEVELS = 127
"""The number of velocities; MIDI has no key that is struck with velocity 0."""

MIXTURE = 5
"""Number of logistic distributions in a mixture."""

NAMES = 8
"""Size of the embedding of a key."""

MANY = 4
"""Numbers of keys are divided by this, so that they are about as large as other inputs."""

NARROWEST = -7.0
"""Smallest logarithm of the width of a logistic distribution; velocities lie between 0 and 1."""


class State(NamedTuple):
    """What the model keeps between calls.

    Attributes
    ----------
    velocities : Tensor[B, 1, 88]
        Those of the previous step.
    positions : Tensor[B, any, 10] of int64
        Where the next steps stand in their piece; see `ostinato.notes.data.positions`.
    lstm : recurrent.State
    """

    velocities: Tensor
    positions: Tensor
    lstm: recurrent.State


class Dynamics(nn.Module):
    """The distribution over velocities.

    Velocities are whole MIDI velocities divided by 128, and 0 where a key is not struck. Where a
    key is held, they are negative, and it keeps the velocity it was struck with.

    Parameters
    ----------
    params : Params
        Number of cells of its LSTM, and width of its network.

    Attributes
    ----------
    num_uniforms : int
        Number of random numbers needed per step, one for each key.
    """

    num_uniforms = KEYS

    def __init__(self, params: Params):
        super().__init__()
        self.metre = Metre()
        inputs = 2 * KEYS + self.metre.num_features
        self.lstm = nn.LSTM(inputs, params.hidden, batch_first=True)
        self.name = nn.Embedding(KEYS, NAMES)
        self.hidden = nn.Linear(params.hidden + NAMES + 4, params.hidden)
        self.mixture = nn.Linear(params.hidden, 3 * MIXTURE)
        # They begin at different velocities.
        middles = torch.linspace(-1, 1, MIXTURE)
        self.mixture.bias.data[MIXTURE : 2 * MIXTURE] = middles
        self.mixture.bias.data[2 * MIXTURE :] = -2

    def initial(self, past: Tensor, positions: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The velocities before it, at least one step.
        positions : Tensor[B, S, 10] of int64
            Where the steps that follow stand. No more than S steps may follow.

        Returns
        -------
        State
            With the LSTM's state at zero.
        """
        return State(past[:, -1:], positions, recurrent.zero_state(self.lstm, past))

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
        positions : Tensor[B, T, 10] of int64
            Where the steps stand.

        Returns
        -------
        Tensor[]
            Negative log-probability, in nats, averaged over all keys that are struck.
        """
        nats, _ = self.log_prob(velocities, self.initial(past, positions))
        struck = ((velocities > 0) * mask[..., None]).sum()
        return -(nats * mask).sum() / struck.clamp(min=1)

    def log_prob(self, velocities: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the log-probability of the velocities of each step, given the keys.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
        state : State

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats; the sum over the keys that are struck.
        state : State
        """
        struck = velocities.relu()
        output, state = self._hear(struck, state, velocities[:, -1:])
        piece, step, key = struck.nonzero(as_tuple=True)
        below = _below(struck)[piece, step, key]
        logits = self._logits(output[piece, step], key, below)
        levels = (struck[piece, step, key] * 128).round().long() - 1
        nats = logits.log_softmax(-1).gather(-1, levels[:, None])[:, 0]
        table = nats.new_zeros(struck.shape)
        return table.index_put((piece, step, key), nats).sum(-1), state

    def sample(
        self, keys: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the velocities of the keys of one step.

        Parameters
        ----------
        keys : Tensor[B, 1, 88]
            1 where a key is struck, -1 where it is held.
        state : State
        uniforms : Tensor[B, 1, 88]
            Random numbers in [0, 1).
        temperature : float
            At 0, the most probable velocities are taken. As for rhythm, it is twice as high
            otherwise, and at most 1.

        Returns
        -------
        velocities : Tensor[B, 1, 88]
        state : State
        """
        struck = keys.relu()
        output, after = self._hear(struck, state, keys)
        held = -state.velocities.abs() * (keys < 0)
        drawn, number = torch.zeros_like(struck), struck.int().cumsum(-1)
        for place in range(1, int(number.amax()) + 1):
            # All pieces are computed: rounding depends on their number, and must not on others.
            marks = (number == place) & (struck > 0)
            key = marks.int().argmax(-1, keepdim=True)
            below = _below(drawn, struck).gather(2, key[..., None].expand(-1, -1, -1, 4))[:, 0, 0]
            logits = self._logits(output[:, 0], key[:, 0, 0], below)
            chance = uniforms.gather(2, key)[:, 0, 0]
            levels = draw_at(logits, chance, min(1.0, 2 * temperature))
            drawn = torch.where(marks, (levels[:, None, None] + 1).to(drawn.dtype) / 128, drawn)
        velocities = drawn + held
        return velocities, after._replace(velocities=velocities)

    def follow(self, velocities: Tensor, state: State) -> State:
        """Process given velocities, and return the state after them.

        Parameters
        ----------
        velocities : Tensor[B, T, 88]
        state : State
        """
        return self._hear(velocities.relu(), state, velocities[:, -1:])[1]

    def _hear(self, struck: Tensor, state: State, last: Tensor) -> tuple[Tensor, State]:
        """Run the LSTM over the velocities of T steps, each of which it hears at the next step."""
        now, later = state.positions.tensor_split([struck.shape[1]], 1)
        before = torch.cat([state.velocities.relu(), struck[:, :-1]], 1)
        inputs = [(struck > 0).to(struck.dtype), before, self.metre(now, struck.dtype)]
        output, lstm = recurrent.run(self.lstm, inputs, state.lstm)
        return output, State(last, later, lstm)

    def _logits(self, output: Tensor, key: Tensor, below: Tensor) -> Tensor:
        """Compute logits of velocities: [M, H], [M] and [M, 4] to [M, 127], at least float32."""
        inputs = torch.cat([output, self.name(key), below.to(output.dtype)], -1)
        mixture = wide(self.mixture(functional.silu(self.hidden(inputs))))
        weight, middle, width = mixture[..., None].unflatten(1, (3, MIXTURE)).unbind(1)
        edges = torch.arange(LEVELS + 1, device=output.device) / LEVELS
        distance = (edges - (middle / 2).sigmoid()) * (-width.clamp(min=NARROWEST)).exp()
        # The lowest level reaches down to minus infinity, the highest up to infinity.
        inside = distance[..., 1:-1]
        first = functional.logsigmoid(inside[..., :1])
        last = functional.logsigmoid(-inside[..., -1:])
        low, high = inside[..., :-1], inside[..., 1:]
        # The logarithm of sigmoid(high) - sigmoid(low), without cancellation
        rest = functional.logsigmoid(-low) + functional.logsigmoid(high)
        rest = rest + torch.log(-torch.expm1(low - high))
        shares = torch.cat([first, rest, last], -1)
        return (weight.log_softmax(1) + shares).logsumexp(1)


def _below(velocities: Tensor, struck: Tensor | None = None) -> Tensor:
    """Describe the keys that are struck below each key, and count those above.

    Parameters
    ----------
    velocities : Tensor[..., 88]
        0 where a key is not struck.
    struck : Tensor[..., 88], optional
        Which keys are struck, if not all velocities are known yet.

    Returns
    -------
    Tensor[..., 88, 4]
        Number of keys below and above, the velocity of the nearest below, and the mean of those
        below; 0 if there are none.
    """
    marks = ((velocities if struck is None else struck) > 0).int()
    count = marks.cumsum(-1)
    under, above = count - marks, count[..., -1:] - count
    place = torch.arange(1, KEYS + 1, device=velocities.device)
    nearest = functional.pad((place * marks).cummax(-1).values, (1, -1))
    near = functional.pad(velocities, (1, 0)).gather(-1, nearest)
    # Whole numbers, since cumsum of floats is not deterministic on CUDA
    whole = (velocities * 128).round().int()
    total = (whole.cumsum(-1) - whole).to(velocities.dtype) / 128
    parts = under / MANY, above / MANY, near, total / under.clamp(min=1)
    return torch.stack([part.to(velocities.dtype) for part in parts], -1)
