"""The token model: it reads classes and predicts the next one, or the labels of a piece."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.core.errors import UserError
from ostinato.core.models import load_weights, read_model
from ostinato.tokens.networks import NETWORKS, State

NATS_PER_BIT = math.log(2)

IGNORED = -100
"""The target that PyTorch's cross-entropy ignores."""


class TokenModel(nn.Module):
    """What models of tokens share: a network that reads classes.

    Parameters
    ----------
    config : dict
        ``network`` is ``"lstm"`` or ``"transformer"``; for its parameters, see
        `ostinato.tokens.networks`. ``window`` is the length of a training example. ``data`` is the
        config.json of the streams.

    Attributes
    ----------
    num_classes, window : int
    data : dict
        As in `config`.
    width : int
        The most numbers that the network computes at once for a token.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.num_classes = len(config["data"]["names"])
        self.data = config["data"]
        self.window = config["window"]
        self.network = NETWORKS[config["network"]](config, self.num_classes)
        self.width = self.network.width

    def initial(self, batch: int) -> State:
        """Make the state before the first token, for a batch of this size."""
        return self.network.initial(batch)


class NextToken(TokenModel):
    """A distribution over the next token; for the parameters see `TokenModel`."""

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
        features, state = self.network(tokens, state)
        return self.output(features), state


class Classifier(TokenModel):
    """Distributions over the labels of a sequence; for the parameters see `TokenModel`.

    The labels are computed from the mean of the network's outputs over the sequence. If the streams
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
        features, _ = self.network(tokens, self.initial(len(tokens)))
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
        When there is no model in the folder, or one of another version.
    """
    config, weights = read_model(folder)
    if "network" not in config:
        raise UserError(f"{folder}: a model of another version than this; train it anew")
    model = (Classifier if config["data"]["labelling"] else NextToken)(config)
    load_weights(model, weights, folder)
    return model.eval()
