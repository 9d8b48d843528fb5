"""Running a token model over long streams and many pieces, in batches that fit into memory."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ostinato.core.devices import device_of
from ostinato.tokens import BOUNDARY
from ostinato.tokens.model import NATS_PER_BIT, Classifier, NextToken

MAX_FLOATS = 1 << 24
"""The most elements of one tensor."""

SEGMENT = 1024
"""Long pieces are divided into segments of this many tokens."""
CONTEXT = 256
"""Tokens before a segment that are read again, as context."""

MAX_READ = 4096
"""A piece is classified by its beginning, this many tokens at most."""


@torch.no_grad()
def bits(model: NextToken, stream: np.ndarray) -> np.ndarray:
    """Compute how many bits each token of a stream takes, given those before it in its piece.

    Parameters
    ----------
    model : NextToken
    stream : ndarray of int, shape [T]
        Classes; the first is a boundary.

    Returns
    -------
    ndarray[float64], shape [T - 1]
        Minus the logarithm to base 2 of the probability of each token but the first.
    """
    found = np.empty(len(stream) - 1)
    # Segments of about the same length need little padding.
    segments = sorted(_segments(stream), key=lambda segment: segment[2] - segment[0])
    size = max(1, MAX_FLOATS // ((SEGMENT + CONTEXT) * max(model.num_classes, model.width)))
    for start in range(0, len(segments), size):
        batch = segments[start : start + size]
        tokens, _ = pad([stream[begin : last + 1] for begin, _, last in batch])
        tokens = tokens.to(device_of(model))
        logits, _ = model.logits(tokens[:, :-1], model.initial(len(tokens)))
        logs = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].cpu().double().numpy()
        for row, (begin, first, last) in zip(logs, batch, strict=True):
            found[first - 1 : last] = -row[first - begin - 1 : last - begin] / NATS_PER_BIT
    return found


def _segments(stream: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Divide a stream: where reading begins, and the first and the last predicted token."""
    begins = np.flatnonzero(stream[:-1] == BOUNDARY)
    for begin, end in pairwise([*begins.tolist(), len(stream) - 1]):
        for first in range(begin + 1, end + 1, SEGMENT):
            yield max(begin, first - 1 - CONTEXT), first, min(first + SEGMENT - 1, end)


@torch.no_grad()
def classify(model: Classifier, pieces: list[np.ndarray]) -> np.ndarray:
    """Predict the labels of pieces.

    Parameters
    ----------
    model : Classifier
    pieces : list of ndarray of int, shape [any]
        Classes.

    Returns
    -------
    ndarray[int64], shape [pieces, labels]
        1 for the most probable label, 0 for the others. If a piece may have several labels, 1 for
        each with a probability above one half.
    """
    device = device_of(model)
    batches = padded_batches(pieces, model.width)
    logits = torch.cat([model.logits(*(x.to(device) for x in batch)).cpu() for batch in batches])
    if model.several:
        return (logits > 0).long().numpy()
    return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).numpy()


def padded_batches(pieces: list[np.ndarray], width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the beginnings of pieces in batches that fit into memory.

    Parameters
    ----------
    pieces : list of ndarray of int, shape [any]
        Classes.
    width : int
        Numbers that are computed for each token.

    Yields
    ------
    tuple of Tensor
        Tokens and lengths, as from `pad`.
    """
    size = max(1, MAX_FLOATS // (MAX_READ * width))
    for start in range(0, len(pieces), size):
        yield pad([piece[:MAX_READ] for piece in pieces[start : start + size]])


def pad(pieces: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Put pieces into one tensor.

    Parameters
    ----------
    pieces : list of ndarray of int, shape [any]
        Classes, at least one in each piece.

    Returns
    -------
    tokens : Tensor[B, T] of int64
        T is the length of the longest piece. Shorter ones are padded at their end.
    lengths : Tensor[B] of int64
    """
    tokens = [torch.from_numpy(piece.astype(np.int64)) for piece in pieces]
    lengths = torch.tensor([len(piece) for piece in pieces])
    return pad_sequence(tokens, batch_first=True), lengths
