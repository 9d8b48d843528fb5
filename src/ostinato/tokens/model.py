"""The token LSTM: reads classes and says which comes next, or what a piece is called."""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.core import recurrent
from ostinato.core.models import read_model
from ostinato.tokens import BOUNDARY

State = list[recurrent.State]
"""Of each layer."""

NATS_PER_BIT = math.log(2)

SEGMENT, HEARD = 1024, 256
"""Long pieces are measured in segments of so many tokens; before each, so many are read again."""

FLOATS = 1 << 24
"""Numbers in the largest tensor of a measurement."""


class Reader(nn.Module):
    """Layers of LSTMs over classes.

    Parameters
    ----------
    config : dict
        ``input``, how a class is shown to the first layer: ``"index"``, its number divided by that
        of classes, ``"onehot"``, or ``"embedding"``, learned numbers, ``embedding`` of them;
        ``hidden`` cells in each of the ``layers``; ``dropout`` of what each gives, and of what is
        shown where that is learned; ``window``, the length of what it is trained on; ``data``, the
        config.json of the streams.

    Attributes
    ----------
    classes, window : int
    data : dict
        As there.
    width : int
        Numbers that a layer shows or is shown of a token, at the most.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.classes = len(config["data"]["names"])
        self.data = config["data"]
        self.window = config["window"]
        self.kind = config["input"]
        self.dropout = config["dropout"]
        width = {"index": 1, "onehot": self.classes, "embedding": config["embedding"]}[self.kind]
        if self.kind == "embedding":
            self.embedding = nn.Embedding(self.classes, width)
        self.width = max(width, config["hidden"])
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
            shown = self._dropped(shown)
            after.append(now)
        return shown, after

    def _shown(self, tokens: Tensor) -> Tensor:
        if self.kind == "index":
            return (tokens / self.classes)[..., None]
        if self.kind == "onehot":
            weight = self.layers[0].weight_ih_l0
            zeros = weight.new_zeros(*tokens.shape, self.classes)
            return zeros.scatter_(-1, tokens[..., None], 1)
        return self._dropped(self.embedding(tokens))

    def _dropped(self, shown: Tensor) -> Tensor:
        return F.dropout(shown, self.dropout) if self.training else shown


class NextToken(Reader):
    """A distribution over the next token; see `Reader` for the parameters."""

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        self.output = nn.Linear(config["hidden"], self.classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Compute what training minimises.

        Parameters
        ----------
        tokens : Tensor[B, T] of int64
            Windows; of each the first token is given.
        lengths : Tensor[B] of int64
            How many of the others count.

        Returns
        -------
        Tensor[]
            Mean cross-entropy of those that count, in bits.
        """
        logits, _ = self.logits(tokens[:, :-1], self.initial(len(tokens)))
        counted = torch.arange(tokens.shape[1] - 1) < lengths[:, None]
        return F.cross_entropy(logits[counted], tokens[:, 1:][counted]) / NATS_PER_BIT

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
        self.several = config["data"]["labelling"] == "several"
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
            return F.binary_cross_entropy_with_logits(logits, labels) / NATS_PER_BIT
        return F.cross_entropy(logits, labels) / NATS_PER_BIT

    def logits(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Compute logits of the labels: Tensor[B, labels]; for arguments see `forward`."""
        features, _ = self.read(tokens, self.initial(len(tokens)))
        counted = torch.arange(tokens.shape[1]) < lengths[:, None]
        mean = (features * counted[..., None]).sum(1) / lengths[:, None]
        return self.output(mean)


def load(folder: Path) -> NextToken | Classifier:
    """Read a trained model.

    Parameters
    ----------
    folder : Path
        Where it lies.

    Raises
    ------
    UserError
        When there is none.
    """
    config, weights = read_model(folder)
    model = (Classifier if config["data"]["labelling"] else NextToken)(config)
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def bits(model: NextToken, stream: np.ndarray) -> np.ndarray:
    """Compute what each token of a stream takes after those before it in its piece.

    Parameters
    ----------
    model : NextToken
    stream : ndarray of int, shape [T]
        Classes, a boundary first.

    Returns
    -------
    ndarray[float64], shape [T - 1]
        Minus the logarithm to base 2 of the probability of each but the first.
    """
    found = np.empty(len(stream) - 1)
    segments = sorted(_segments(stream), key=lambda segment: segment[2] - segment[0])
    together = max(1, FLOATS // ((SEGMENT + HEARD) * max(model.classes, model.width)))
    for part in range(0, len(segments), together):
        chosen = segments[part : part + together]
        read = [torch.from_numpy(stream[a : c + 1].astype(np.int64)) for a, _, c in chosen]
        tokens = nn.utils.rnn.pad_sequence(read, batch_first=True)
        logits, _ = model.logits(tokens[:, :-1], model.initial(len(tokens)))
        logs = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].double().numpy()
        for row, (begin, first, last) in zip(logs, chosen, strict=True):
            found[first - 1 : last] = -row[first - begin - 1 : last - begin] / NATS_PER_BIT
    return found


def _segments(stream: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Divide a stream: where reading begins, and the first and last token that are predicted."""
    begins = np.flatnonzero(stream[:-1] == BOUNDARY)
    for begin, end in pairwise([*begins.tolist(), len(stream) - 1]):
        for first in range(begin + 1, end + 1, SEGMENT):
            yield max(begin, first - 1 - HEARD), first, min(first + SEGMENT - 1, end)
