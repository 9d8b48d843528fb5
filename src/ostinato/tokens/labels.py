"""What a piece is called, for classification: the folders in which it lies."""

import re
from pathlib import PurePosixPath

from ostinato.errors import UserError
from ostinato.tokens.streams import Piece

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


def check_labels(pieces: list[Piece], where: str) -> None:
    """Check that pieces can be classified.

    Raises
    ------
    UserError
        When not even two labels are among the pieces for training.
    """
    learned = (piece for piece in pieces if piece.split == "train")
    known = sorted({label for piece in learned for label in piece.labels})
    if len(known) < 2:
        found = f"only {known[0]!r}" if known else "none"
        raise UserError(
            f"{where}: two labels at least are needed to classify, {found} is there to learn from; "
            f"labels are the names of folders"
        )
