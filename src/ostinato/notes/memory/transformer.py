"""Transformer: attention over the last steps, with relative positions.

An alternative to HistoryUser. It also chooses at which lags to read, but it does so in every layer
and head, by comparing what was played then with what is played now. It reads the outputs of the
layer below and not the notes themselves. Relative positions in attention are due to Shaw, Uszkoreit
and Vaswani (2018, arXiv:1803.02155); Huang et al. (2018, arXiv:1809.04281) used them for music.
"""

import math

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core.schema import Positive, Schema, Share
from ostinato.notes.parts.memory import CLOCK_BITS, Memory


class Params(Schema):
    """Sizes of the transformer.

    Attributes
    ----------
    layers : int
        Number of blocks. Each consists of attention and a feed-forward network of two layers.
    width : int
        Size of the hidden vector of a step, between blocks.
    heads : int
        Number of attention heads in a block; a divisor of `width`.
    window : int
        Number of steps to which a block attends, including the current one.
    dropout : float
        Dropout rate of the outputs of attention and of the feed-forward network.
    """

    layers: Positive
    width: Positive
    heads: Positive
    window: Positive
    dropout: Share

    @model_validator(mode="after")
    def _divide(self) -> "Params":
        if self.width % self.heads:
            raise ValueError("heads: width has to be a multiple of it")
        return self


Cache = tuple[Tensor, Tensor]
"""Keys and values of the steps before, Tensor[B, heads, fewer than `window`, width / heads]."""


class Model(Memory):
    """The transformer; see `Memory`. It does not see any steps before its first input."""

    def __init__(self, keys: int, params: Params):
        super().__init__(params.width)
        self.heads, self.size = params.heads, params.width // params.heads
        self.embed = nn.Linear(keys + CLOCK_BITS, params.width)
        self.blocks = nn.ModuleList(Block(params) for _ in range(params.layers))
        self.norm = nn.LayerNorm(params.width)

    def initial(self, past: Tensor) -> list[Cache]:
        empty = past.new_zeros(len(past), self.heads, 0, self.size)
        return [(empty, empty) for _ in self.blocks]

    def forward(self, heard: Tensor, clock: Tensor, state: list[Cache]) -> tuple[Tensor, list]:
        notes = heard[:, -clock.shape[1] :]
        hidden = self.embed(torch.cat([notes, clock], -1))
        after = []
        for block, cache in zip(self.blocks, state, strict=True):
            hidden, cache = block(hidden, cache)
            after.append(cache)
        return self.norm(hidden), after


class Block(nn.Module):
    """Attention to the last steps, then a feed-forward network, both with residual connections.

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
        """Turn Tensor[B, T, width] into the same shape, and update the cache."""
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
        """Attend to the last steps.

        The steps are processed one window at a time. Each window attends to itself and to the
        window before it, so the use of memory is linear in time.

        Parameters
        ----------
        query : Tensor[B, heads, T, size]
        key, value : Tensor[B, heads, P + T, size]
            Including those of the P steps before that are in the cache.

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
            # Scores of each query for each distance, rearranged by the step at that distance.
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
