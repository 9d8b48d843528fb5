"""Transformer: attention over the last steps, which knows only how long ago each of them was.

What stands against HistoryUser: it, too, chooses from which lag to read, but by comparing what was
played then with what is played now, in every layer and head, and it reads what the layer below made
of a step in place of the step itself. Shaw, Uszkoreit and Vaswani (2018, arXiv:1803.02155) gave
attention its relative positions, Huang et al. (2018, arXiv:1809.04281) brought it to music.
"""

import math
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Positive, Schema
from ostinato.notes.memory import CLOCK_BITS


class Params(Schema):
    """Sizes of the transformer.

    Attributes
    ----------
    layers : int
        Blocks of attention and a network of two layers.
    width : int
        Numbers a step, between blocks.
    heads : int
        Attentions side by side in a block; a divisor of `width`.
    window : int
        Steps that a block sees, the current one among them.
    dropout : float
        Share of the numbers that are left out in training, of what each block adds.
    """

    layers: Positive
    width: Positive
    heads: Positive
    window: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _divide(self) -> "Params":
        if self.width % self.heads:
            raise ValueError("heads: width has to be a multiple of it")
        return self


Cache = tuple[Tensor, Tensor]
"""Keys and values of the steps before, Tensor[B, heads, fewer than the window, width / heads]."""


class Memory(nn.Module):
    """The transformer; methods as for `ostinato.notes.memory.history_user.Memory`.

    Parameters
    ----------
    keys : int
        K, keys (or pitch classes) a step.
    params : Params
        Sizes.

    Attributes
    ----------
    features : int
        F, the numbers that it gives for a step.
    reach : int
        1: it sees nothing before its first input, as an LSTM that begins at zero.
    """

    reach = 1

    def __init__(self, keys: int, params: Params):
        super().__init__()
        self.features = params.width
        self.heads, self.size = params.heads, params.width // params.heads
        self.embed = nn.Linear(keys + CLOCK_BITS, params.width)
        self.blocks = nn.ModuleList(Block(params) for _ in range(params.layers))
        self.norm = nn.LayerNorm(params.width)

    def initial(self, past: Tensor) -> list[Cache]:
        """Make the state at the beginning, from a Tensor[B, P, K] only for batch and type."""
        empty = past.new_zeros(len(past), self.heads, 0, self.size)
        return [(empty, empty) for _ in self.blocks]

    def forward(self, notes: Tensor, clock: Tensor, state: list[Cache]) -> tuple[Tensor, list]:
        """Turn Tensor[B, T, K] and Tensor[B, T, 6] into features, Tensor[B, T, F]."""
        hidden = self.embed(torch.cat([notes, clock], -1))
        after = []
        for block, cache in zip(self.blocks, state, strict=True):
            hidden, cache = block(hidden, cache)
            after.append(cache)
        return self.norm(hidden), after


class Block(nn.Module):
    """Attention to the last steps, then a network at each step; both add to what comes in.

    Parameters
    ----------
    params : Params
        Sizes.
    """

    def __init__(self, params: Params):
        super().__init__()
        width = params.width
        self.heads, self.window = params.heads, params.window
        self.listen, self.think = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.randn(params.heads, params.window, width // self.heads))
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, hidden: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Turn Tensor[B, T, width] into the same, and go on from the steps before."""
        parts = self.project(self.listen(hidden)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        pairs = zip(cache, (key, value), strict=True)
        known = [torch.cat([old.to(new), new], 2) for old, new in pairs]
        read = self._attend(query, *known).transpose(1, 2).flatten(2)
        hidden = hidden + self.dropout(self.join(read))
        hidden = hidden + self.dropout(self.network(self.think(hidden)))
        first = max(known[0].shape[2] - (self.window - 1), 0)
        return hidden, (known[0][:, :, first:], known[1][:, :, first:])

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Read the values of the last steps.

        A window of steps at a time looks at itself and at the window before, so that memory is
        linear in time.

        Parameters
        ----------
        query : Tensor[B, heads, T, size]
        key, value : Tensor[B, heads, P + T, size]
            Also of the P steps before, as many as are known.

        Returns
        -------
        Tensor[B, heads, T, size]
        """
        before = key.shape[2] - query.shape[2]
        read = []
        for place, part in enumerate(query.split(self.window, 2)):
            now = before + place * self.window
            first, last = max(now - self.window + 1, 0), now + part.shape[2]
            steps = torch.arange(first, last, device=query.device)
            ago = torch.arange(now, last, device=query.device)[:, None] - steps
            seen = (ago >= 0) & (ago < self.window)
            # How well each query fits each distance, then laid out by the step at that distance.
            fits = part @ self.distance.to(part).transpose(1, 2)
            places = ago.clamp(0, self.window - 1).expand(*fits.shape[:2], -1, -1)
            fits = fits.gather(-1, places) / math.sqrt(part.shape[-1])
            read.append(
                functional.scaled_dot_product_attention(
                    part,
                    key[:, :, first:last],
                    value[:, :, first:last],
                    fits.masked_fill(~seen, -torch.inf),
                )
            )
        return torch.cat(read, 2)
