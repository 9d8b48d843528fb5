"""The token LSTM: reads classes and says which comes next, or what a piece is called."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import recurrent
from ostinato.tokens.ngrams import BOUNDARY

State = list[recurrent.State]
"""Of each layer."""

NAT = math.log(2)
"""Nats of a bit."""

SEGMENT, KNOWN = 1024, 256
TOGETHER = 64
"""Segments that run side by side: what a long stream costs in memory."""


class Reader(nn.Module):
    """Layers of LSTMs over classes.

    Parameters
    ----------
    config : dict
        ``input``, how a class is shown to the first layer: ``"index"``, its number divided by that
        of classes, ``"onehot"``, or ``"embedding"``, learned numbers, ``embedding`` of them;
        ``hidden`` cells in each of the ``layers``; ``dropout`` of what each gives, and of what is
        shown where that is learned; ``data``, of the streams (their config.json), with the
        ``names`` of the classes.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.classes = len(config["data"]["names"])
        self.kind = config["input"]
        self.dropout = config["dropout"]
        width = {"index": 1, "onehot": self.classes, "embedding": config["embedding"]}[self.kind]
        if self.kind == "embedding":
            self.embedding = nn.Embedding(self.classes, width)
        widths = [width, *[config["hidden"]] * (config["layers"] - 1)]
        self.layers = nn.ModuleList(
            nn.LSTM(width, config["hidden"], batch_first=True) for width in widths
        )

    def initial(self, batch: int) -> State:
        """Make the state before the first token, for so many sequences."""
        like = self.layers[0].weight_hh_l0.new_zeros(batch)
        return [recurrent.zero_state(layer, like) for layer in self.layers]

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read on.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Classes.
        state : State

        Returns
        -------
        features : Tensor[B, T, H]
        state : State
        """
        shown = self._shown(tokens)
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            shown, now = recurrent.run(layer, [shown], before)
            shown = F.dropout(shown, self.dropout, self.training)
            after.append(now)
        return shown, after

    def _shown(self, tokens: Tensor) -> Tensor:
        if self.kind == "index":
            return (tokens / self.classes)[..., None]
        if self.kind == "onehot":
            return F.one_hot(tokens, self.classes).to(self.layers[0].weight_ih_l0.dtype)
        return F.dropout(self.embedding(tokens), self.dropout, self.training)


class NextToken(Reader):
    """A distribution over the next token; see `Reader` for the parameters."""

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        self.output = nn.Linear(config["hidden"], self.classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute what training minimises.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Windows; of each the first token is given.

        Returns
        -------
        Tensor[]
            Mean cross-entropy of the others, in bits.
        """
        logits, _ = self.logits(tokens[:, :-1], self.initial(len(tokens)))
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()) / NAT

    def logits(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read on, and say after each token what may follow it.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
        state : State

        Returns
        -------
        logits : Tensor[B, T, classes]
            Log-probabilities, up to a constant.
        state : State
        """
        features, state = self.read(tokens, state)
        return self.output(features), state


class Classifier(Reader):
    """Distributions over the labels of a sequence; see `Reader` for the parameters.

    Where the streams say that a piece can have several, each is there or not by itself (sigmoids);
    otherwise just one is there (softmax). They are told from the mean of what the LSTMs give along
    the sequence.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        self.several = config["data"]["label"] == "several"
        self.output = nn.Linear(config["hidden"], len(config["data"]["labels"]))

    def forward(self, tokens: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Compute what training minimises.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
        lengths : Tensor[B] of int64
            How many tokens of each sequence count, at least 1.
        labels : Tensor[B, labels] of float
            1 for those that it has.

        Returns
        -------
        Tensor[]
            Mean cross-entropy in bits; with several labels, of each.
        """
        logits = self.logits(tokens, lengths)
        if self.several:
            return F.binary_cross_entropy_with_logits(logits, labels) / NAT
        return F.cross_entropy(logits, labels) / NAT

    def logits(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Compute logits of the labels: Tensor[B, labels]; for arguments see `forward`."""
        features, _ = self.read(tokens, self.initial(len(tokens)))
        counted = torch.arange(tokens.shape[1]) < lengths[:, None]
        mean = (features * counted[..., None]).sum(1) / lengths[:, None]
        return self.output(mean)


@torch.no_grad()
def bits(model: NextToken, stream: Tensor) -> Tensor:
    """Compute what each token of a stream takes after those before it.

    The stream is divided into segments of `SEGMENT` tokens that run side by side; before each but
    the first the model reads the `KNOWN` tokens that stand there.

    Parameters
    ----------
    model : NextToken
    stream : Tensor[T] of int64
        Classes; the first is given.

    Returns
    -------
    Tensor[T - 1]
        Minus the logarithm to base 2 of its probability.
    """
    first = _bits(model, stream[None, : SEGMENT + 1], 0)[0]
    left = len(stream) - 1 - len(first)
    if not left:
        return first
    segments = F.pad(stream[SEGMENT - KNOWN :], (0, -left % SEGMENT), value=BOUNDARY)
    segments = segments.unfold(0, KNOWN + SEGMENT + 1, SEGMENT)
    others = [_bits(model, part, KNOWN).flatten() for part in segments.split(TOGETHER)]
    return torch.cat([first, *others])[: len(stream) - 1]


def _bits(model: NextToken, tokens: Tensor, known: int) -> Tensor:
    logits, _ = model.logits(tokens[:, :-1], model.initial(len(tokens)))
    logits = logits[:, known:].log_softmax(-1)
    return -logits.gather(-1, tokens[:, known + 1 :, None])[..., 0] / NAT
