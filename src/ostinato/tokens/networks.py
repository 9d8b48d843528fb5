"""Networks that read a sequence of classes: LSTMs and a transformer."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.core import recurrent

State = list[Any]
"""What each layer keeps of the tokens before."""

HEAD = 32
"""The width of an attention head."""

BASE = 10_000.0
"""The slowest rotation of a transformer takes 2 pi times so many tokens."""


class Inputs(nn.Module):
    """What a network sees of a class.

    Parameters
    ----------
    config : dict
        ``input`` is ``"index"`` (the number of the class divided by the number of classes),
        ``"onehot"``, or ``"embedding"`` (a learned vector of size ``embedding``, to which
        ``dropout`` is applied).
    num_classes : int

    Attributes
    ----------
    size : int
        The size of what is seen of a token.
    """

    def __init__(self, config: dict[str, Any], num_classes: int):
        super().__init__()
        self.num_classes, self.kind, self.dropout = num_classes, config["input"], config["dropout"]
        sizes = {"index": 1, "onehot": num_classes, "embedding": config["embedding"]}
        self.size = sizes[self.kind]
        if self.kind == "embedding":
            self.embedding = nn.Embedding(num_classes, self.size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Turn classes, Tensor[B, T] of int64, into Tensor[B, T, size]."""
        if self.kind == "index":
            return (tokens / self.num_classes)[..., None]
        if self.kind == "onehot":
            zeros = torch.zeros(*tokens.shape, self.num_classes, device=tokens.device)
            return zeros.scatter_(-1, tokens[..., None], 1)
        return F.dropout(self.embedding(tokens), self.dropout, self.training)


class LSTM(nn.Module):
    """LSTM layers.

    Parameters
    ----------
    config : dict
        As for `Inputs`. ``hidden`` is the number of cells in each of the ``layers``. ``dropout`` is
        applied to the output of each layer.
    num_classes : int

    Attributes
    ----------
    width : int
        The size of the largest input or output of a layer, for one token.
    """

    def __init__(self, config: dict[str, Any], num_classes: int):
        super().__init__()
        self.inputs = Inputs(config, num_classes)
        self.dropout, hidden = config["dropout"], config["hidden"]
        self.width = max(self.inputs.size, hidden)
        self.layers = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True)
            for size in [self.inputs.size, *[hidden] * (config["layers"] - 1)]
        )

    def initial(self, batch: int) -> State:
        """Make the state before the first token, for a batch of this size."""
        like = self.layers[0].weight_hh_l0.new_zeros(batch)
        return [recurrent.zero_state(layer, like) for layer in self.layers]

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read the next tokens of each sequence.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Classes.
        state : State
            After the tokens before these.

        Returns
        -------
        features : Tensor[B, T, hidden]
        state : State
        """
        features = self.inputs(tokens)
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            features, after = recurrent.run(layer, [features], before)
            features = F.dropout(features, self.dropout, self.training)
            states.append(after)
        return features, states


class Transformer(nn.Module):
    """A transformer with rotary positions, which sees the last tokens.

    Vaswani et al., Attention is all you need, NeurIPS 2017; Su et al., RoFormer: enhanced
    transformer with rotary position embedding, Neurocomputing 2024. Layers are normalised before
    attention and before the feed-forward network, as in GPT-2.

    Parameters
    ----------
    config : dict
        As for `Inputs`. ``hidden`` is the width of each of the ``layers``, a multiple of `HEAD`;
        ``window`` the number of tokens that attention sees, the last one included. ``dropout`` is
        applied to what is added to the hidden vectors.
    num_classes : int

    Attributes
    ----------
    width : int
        As in `LSTM`.
    """

    def __init__(self, config: dict[str, Any], num_classes: int):
        super().__init__()
        self.inputs = Inputs(config, num_classes)
        hidden = config["hidden"]
        self.width = 4 * hidden
        self.heads = hidden // HEAD
        self.embed = nn.Linear(self.inputs.size, hidden)
        self.blocks = nn.ModuleList(
            Block(hidden, config["window"], config["dropout"]) for _ in range(config["layers"])
        )
        self.norm = nn.LayerNorm(hidden)
        rates = BASE ** -(torch.arange(0, HEAD, 2) / HEAD)
        self.register_buffer("rates", rates, persistent=False)

    def initial(self, batch: int) -> State:
        """Make the state before the first token, for a batch of this size."""
        empty = self.norm.weight.new_zeros(batch, self.heads, 0, HEAD)
        return [0, *((empty, empty) for _ in self.blocks)]

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read the next tokens of each sequence; see `LSTM.forward`."""
        read, *caches = state
        places = torch.arange(read, read + tokens.shape[1], device=tokens.device)
        turns = places[:, None] * self.rates
        turns = turns.cos(), turns.sin()
        hidden = self.embed(self.inputs(tokens))
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            hidden, cache = block(hidden, turns, cache)
            after.append(cache)
        return self.norm(hidden), [read + tokens.shape[1], *after]


class Block(nn.Module):
    """Attention and a feed-forward network, both added to what they read.

    Parameters
    ----------
    hidden : int
        The width.
    window : int
        The number of tokens that attention sees.
    dropout : float
    """

    def __init__(self, hidden: int, window: int, dropout: float):
        super().__init__()
        self.window = window
        self.before_attention, self.before_network = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.project = nn.Linear(hidden, 3 * hidden)
        self.join = nn.Linear(hidden, hidden)
        self.network = nn.Sequential(
            nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden)
        )
        self.dropout = nn.Dropout(dropout)
        # Each block begins as one that adds nothing (Bachlechner et al., ReZero, UAI 2021).
        nn.init.zeros_(self.join.weight)
        nn.init.zeros_(self.network[-1].weight)

    def forward(
        self, hidden: Tensor, turns: tuple[Tensor, Tensor], cache: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read the next tokens.

        Parameters
        ----------
        hidden : Tensor[B, T, hidden]
        turns : tuple of Tensor[T, HEAD / 2]
            Cosines and sines of the angles by which heads are rotated at each token.
        cache : tuple of Tensor[B, heads, P, HEAD]
            Keys and values of the tokens before, at most `window` - 1 of them.

        Returns
        -------
        hidden : Tensor[B, T, hidden]
        cache : tuple of Tensor
        """
        parts = self.project(self.before_attention(hidden)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (-1, HEAD)).transpose(1, 2) for part in parts)
        query, key = rotated(query, *turns), rotated(key, *turns)
        key, value = (
            torch.cat([old.to(new), new], 2) for old, new in zip(cache, (key, value), strict=True)
        )
        read = self._attend(query, key, value).transpose(1, 2).flatten(2)
        hidden = hidden + self.dropout(self.join(read))
        hidden = hidden + self.dropout(self.network(self.before_network(hidden)))
        first = max(key.shape[2] - (self.window - 1), 0)
        return hidden, (key[:, :, first:], value[:, :, first:])

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend to the last tokens, one window of queries at a time."""
        before, read = key.shape[2] - query.shape[2], []
        for place, part in enumerate(query.split(self.window, 2)):
            now = before + place * self.window
            first, last = max(now - self.window + 1, 0), now + part.shape[2]
            seen = None
            if part.shape[2] > 1:
                ago = torch.arange(now, last, device=query.device)[:, None]
                ago = ago - torch.arange(first, last, device=query.device)
                seen = (ago >= 0) & (ago < self.window)
            around = key[:, :, first:last], value[:, :, first:last]
            read.append(F.scaled_dot_product_attention(part, *around, attn_mask=seen))
        return read[0] if len(read) == 1 else torch.cat(read, 2)


def rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate pairs of numbers: Tensor[B, heads, T, HEAD], by angles of Tensor[T, HEAD / 2]."""
    first, second = heads.chunk(2, -1)
    cosines, sines = cosines.to(heads), sines.to(heads)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], -1)


NETWORKS = {"lstm": LSTM, "transformer": Transformer}
