"""The labels of a piece, for classification: the names of the folders that it lies in."""

import re
from pathlib import PurePosixPath

from ostinato.core.errors import UserError
from ostinato.scores.sources import Rejected
from ostinato.tokens.data.streams import Piece

UNLABELLED = "in no folder, which would be its label"
"""Why a piece cannot be classified."""

_NUMBER = re.compile(r"#\d+$")


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


def learnable(pieces: list[Piece], where: str) -> tuple[list[Piece], list[Rejected]]:
    """Leave out validation and test pieces with a label that no training piece has.

    Parameters
    ----------
    pieces : list of Piece
    where : str
        Where they come from, for the error message.

    Returns
    -------
    list of Piece
        Those that are left.
    list of Rejected
        The others.

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
    known = set().union(*learned)
    kept = [piece for piece in pieces if known.issuperset(piece.labels)]
    rejected = [
        Rejected(piece.source, f"no piece to learn from is called {label!r}")
        for piece in pieces
        for label in sorted(set(piece.labels) - known)[:1]
    ]
    return kept, rejected
