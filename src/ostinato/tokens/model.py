"""The token LSTM: it reads classes and predicts the next one, or the labels of a piece."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.models import read_model

State = list[recurrent.State]
"""The state of each layer."""

NATS_PER_BIT = math.log(2)

IGNORED = -100
"""The target that PyTorch's cross-entropy ignores."""


class TokenLSTM(nn.Module):
    """LSTM layers over a sequence of classes.

    Parameters
    ----------
    config : dict
        ``input`` is how the first layer sees a class: ``"index"`` (its number divided by the number
        of classes), ``"onehot"``, or ``"embedding"`` (a learned vector of size ``embedding``).
        ``hidden`` is the number of cells in each of the ``layers``. ``dropout`` is applied to the
        output of each layer, and to the embedding. ``window`` is the length of a training example.
        ``data`` is the config.json of the streams.

    Attributes
    ----------
    num_classes, window : int
    data : dict
        As in `config`.
    width : int
        The size of the largest input or output of a layer, for one token.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.num_classes = len(config["data"]["names"])
        self.data = config["data"]
        self.window = config["window"]
        self.input = config["input"]
        self.dropout = config["dropout"]
        sizes = {"index": 1, "onehot": self.num_classes, "embedding": config["embedding"]}
        size, hidden = sizes[self.input], config["hidden"]
        if self.input == "embedding":
            self.embedding = nn.Embedding(self.num_classes, size)
        self.width = max(size, hidden)
        self.layers = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True)
            for size in [size, *[hidden] * (config["layers"] - 1)]
        )

    def initial(self, batch: int) -> State:
        """Make the state before the first token, for a batch of this size."""
        like = self.layers[0].weight_hh_l0.new_zeros(batch)
        return [recurrent.zero_state(layer, like) for layer in self.layers]

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read the next tokens of each sequence.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Classes.
        state : State
            After the tokens before these.

        Returns
        -------
        features : Tensor[B, T, H]
        state : State
        """
        features = self._inputs(tokens)
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            features, after = recurrent.run(layer, [features], before)
            features = F.dropout(features, self.dropout, self.training)
            states.append(after)
        return features, states

    def _inputs(self, tokens: Tensor) -> Tensor:
        if self.input == "index":
            return (tokens / self.num_classes)[..., None]
        if self.input == "onehot":
            weight = self.layers[0].weight_ih_l0
            zeros = weight.new_zeros(*tokens.shape, self.num_classes)
            return zeros.scatter_(-1, tokens[..., None], 1)
        return F.dropout(self.embedding(tokens), self.dropout, self.training)


class NextToken(TokenLSTM):
    """A distribution over the next token; for the parameters see `TokenLSTM`."""

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        self.output = nn.Linear(config["hidden"], self.num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Compute the training loss.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Windows. The first token of each is given, not predicted.
        lengths : Tensor[B] of int64
            How many tokens after the first one count.

        Returns
        -------
        Tensor[]
            Mean cross-entropy of the tokens that count, in bits.
        """
        logits, _ = self.logits(tokens[:, :-1], self.initial(len(tokens)))
        padding = ~_within(lengths, tokens.shape[1] - 1)
        targets = tokens[:, 1:].masked_fill(padding, IGNORED)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        return loss / NATS_PER_BIT

    def logits(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read the next tokens, and predict what follows each of them.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
        state : State
            After the tokens before these.

        Returns
        -------
        logits : Tensor[B, T, classes]
            Log-probabilities, up to a constant.
        state : State
        """
        features, state = self.read(tokens, state)
        return self.output(features), state


class Classifier(TokenLSTM):
    """Distributions over the labels of a sequence; for the parameters see `TokenLSTM`.

    The labels are computed from the mean of the LSTM's outputs over the sequence. If the streams
    say that a piece may have several labels, each has a probability of its own (sigmoid). Otherwise
    a piece has exactly one (softmax).
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        self.several = config["data"]["labelling"] == "several"
        self.output = nn.Linear(config["hidden"], len(config["data"]["labels"]))

    def forward(self, tokens: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Compute the training loss.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
        lengths : Tensor[B] of int64
            How many tokens of each sequence count, at least 1.
        labels : Tensor[B, labels] of float
            1 for the labels that a sequence has, 0 for the others.

        Returns
        -------
        Tensor[]
            Mean cross-entropy in bits: per sequence, or, with several labels, per label.
        """
        logits = self.logits(tokens, lengths)
        if self.several:
            return F.binary_cross_entropy_with_logits(logits, labels) / NATS_PER_BIT
        return F.cross_entropy(logits, labels) / NATS_PER_BIT

    def logits(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of the labels, Tensor[B, labels]; for the arguments see `forward`."""
        features, _ = self.read(tokens, self.initial(len(tokens)))
        counted = _within(lengths, tokens.shape[1])
        mean = (features * counted[..., None]).sum(1) / lengths[:, None]
        return self.output(mean)


def _within(lengths: Tensor, longest: int) -> Tensor:
    """Say which places lie within sequences of these lengths: Tensor[B, longest] of bool."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def load(folder: Path) -> NextToken | Classifier:
    """Read a trained model.

    Parameters
    ----------
    folder : Path
        The folder of the model.

    Returns
    -------
    NextToken or Classifier
        In evaluation mode.

    Raises
    ------
    UserError
        When there is no model in the folder.
    """
    config, weights = read_model(folder)
    model = (Classifier if config["data"]["labelling"] else NextToken)(config)
    model.load_state_dict(weights)
    return model.eval()
