"""What a piece is called, for classification: the folders in which it lies."""

import re
from pathlib import PurePosixPath

from ostinato.core.errors import UserError
from ostinato.scores.sources import Rejected
from ostinato.tokens.data.streams import Piece

UNNAMED = "in no folder, which would be its label"
"""Why a piece cannot be classified."""

_NUMBER = re.compile(r"#\d+$")


def labels_of(source: str, labelling: str | None) -> tuple[str, ...]:
    """Name the folders on the way to a piece.

    Parameters
    ----------
    source : str
        Its path below the folder of all, with ``#`` and its number if the file holds several.
    labelling : str or None
        ``"one"``: only the outermost; ``"several"``; or nothing if pieces are not classified.

    Returns
    -------
    tuple of str
        The outermost first; the file, without its suffix, if it holds several and lies in none.
    """
    path = PurePosixPath(_NUMBER.sub("", source))
    book = (path.stem,) if _NUMBER.search(source) else ()
    return (path.parent.parts or book)[: {None: 0, "one": 1, "several": None}[labelling]]


def learnable(pieces: list[Piece], where: str) -> tuple[list[Piece], list[Rejected]]:
    """Leave out what nobody could learn: held-out pieces with labels that no other has.

    Parameters
    ----------
    pieces : list of Piece
    where : str
        Where they are from, for the message.

    Returns
    -------
    list of Piece
    list of Rejected

    Raises
    ------
    UserError
        When the pieces for training are all called the same.
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
