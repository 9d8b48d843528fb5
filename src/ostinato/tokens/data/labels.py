"""The labels of a piece, for classification: the names of the folders that it lies in."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Protocol

from ostinato.core.errors import UserError
from ostinato.scores.sources import Rejected

UNLABELLED = "in no folder, which would be its label"
"""Why a piece cannot be classified."""

_NUMBER = re.compile(r"#\d+$")


class Labelled(Protocol):
    """What has labels, such as `ostinato.tokens.data.streams.Piece`."""

    source: str
    split: str
    labels: tuple[str, ...]


def labelling(task: str, labels: str) -> str | None:
    """Choose how pieces are labelled.

    Parameters
    ----------
    task : str
        ``"next"``, to predict the next token, or ``"classify"``.
    labels : str
        ``"one"`` or ``"several"``, for classification.

    Returns
    -------
    str or None
        `labels`; None unless pieces are classified.
    """
    return labels if task == "classify" else None


def labels_of(source: str, labelling: str | None) -> tuple[str, ...]:
    """Name the folders that a piece lies in.

    Parameters
    ----------
    source : str
        The path of its file, relative to the folder of all pieces; followed by ``#`` and the number
        of the piece if the file holds several.
    labelling : str or None
        ``"one"``: only the outermost folder; ``"several"``: all of them; None: no labels.

    Returns
    -------
    tuple of str
        The outermost folder first. The name of the file, without its suffix, if the file holds
        several pieces and lies in no folder.
    """
    path = PurePosixPath(_NUMBER.sub("", source))
    book = (path.stem,) if _NUMBER.search(source) else ()
    return (path.parent.parts or book)[: {None: 0, "one": 1, "several": None}[labelling]]


def learnable(pieces: Iterable[Labelled], where: str) -> set[str]:
    """Find the labels that can be learned: those of training pieces.

    Parameters
    ----------
    pieces : iterable of Labelled
    where : str
        Where they come from, for the error message.

    Raises
    ------
    UserError
        When all training pieces have the same labels.
    """
    learned = sorted({piece.labels for piece in pieces if piece.split == "train"})
    if len(learned) < 2:
        found = f"only {'/'.join(learned[0])!r}" if learned else "none"
        raise UserError(
            f"{where}: two labels at least are needed to classify, {found} is there to learn from; "
            f"labels are the names of folders"
        )
    return set().union(*learned)


def unlearned(piece: Labelled, known: set[str]) -> Rejected | None:
    """Reject a piece with a label that is not known; None if it has no such label."""
    unknown = sorted(set(piece.labels) - known)
    return (
        Rejected(piece.source, f"no piece to learn from is called {unknown[0]!r}")
        if unknown
        else None
    )
