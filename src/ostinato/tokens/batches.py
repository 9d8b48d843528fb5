"""Pieces side by side, for classification."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ostinato.tokens.model import FLOATS, Classifier

READ = 4096
"""Tokens of a piece that are read to classify it, from its beginning, at the most."""


def padded(pieces: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Put pieces side by side.

    Parameters
    ----------
    pieces : list of ndarray of int, shape [any]
        Classes; at least one each.

    Returns
    -------
    tokens : Tensor[B, T] of int64
        T is the length of the longest; the others are filled up.
    lengths : Tensor[B] of int64
    """
    lengths = torch.tensor([len(piece) for piece in pieces])
    tokens = [torch.from_numpy(piece.astype(np.int64)) for piece in pieces]
    return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True), lengths


def in_turn(pieces: list[np.ndarray], width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the beginnings of pieces, as many at a time as fit into memory; see `padded`.

    Parameters
    ----------
    pieces : list of ndarray of int, shape [any]
        Classes.
    width : int
        Numbers that are computed for a token.
    """
    together = max(1, FLOATS // (READ * width))
    for first in range(0, len(pieces), together):
        yield padded([piece[:READ] for piece in pieces[first : first + together]])


@torch.no_grad()
def classified(model: Classifier, pieces: list[np.ndarray]) -> np.ndarray:
    """Say what pieces are called.

    Parameters
    ----------
    model : Classifier
    pieces : list of ndarray of int, shape [any]
        Classes.

    Returns
    -------
    ndarray[int64], shape [pieces, labels]
        1 for the labels that are more probable than not; of one label, for the most probable.
    """
    logits = torch.cat([model.logits(*part) for part in in_turn(pieces, model.width)])
    if model.several:
        return (logits > 0).long().numpy()
    return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).numpy()
