"""The user's files: finding them, naming them, and dividing them into splits."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.seeds import stable_hash

SPLITS = ("train", "valid", "test")

REJECTED_COLUMNS = ["source", "reason"]

HELD_OUT = 0.1
"""The fraction of the hash range that is for the test; the same fraction is for validation."""


@dataclass(frozen=True)
class Rejected:
    """A file or piece that was rejected, and why."""

    source: str
    reason: str


class RejectedWriter:
    """Writes what is rejected, and remembers the first few for messages.

    Parameters
    ----------
    write : callable
        Writes a row of the table.

    Attributes
    ----------
    count : int
        How many were rejected.
    why : str
        The end of an error message: reasons of the first three.
    """

    def __init__(self, write: Callable[[Mapping[str, Any]], None]):
        self._write = write
        self.count, self.why = 0, ""

    def add(self, rejected: Rejected) -> None:
        """Write what was rejected."""
        self._write(vars(rejected))
        self.count += 1
        if self.count <= 3:
            self.why += f"; {rejected.source}: {rejected.reason}"


@contextmanager
def writing_rejected(path: Path) -> Iterator[RejectedWriter]:
    """Write a table of what is rejected, row by row."""
    with files.writing_table(path, REJECTED_COLUMNS) as write:
        yield RejectedWriter(write)


def files_in(folder: Path, parameter: str, what: str) -> list[Path]:
    """List the files in a folder, except hidden ones, sorted by path.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    parameter, what : str
        The parameter that names the folder, and what it should contain, for the error message.

    Raises
    ------
    UserError
        When it is not a folder.
    """
    if not folder.is_dir():
        raise UserError(f"{parameter}: {folder} is no folder; name the one with your {what}")
    paths = (p for p in folder.rglob("*") if p.is_file())
    return sorted(
        p for p in paths if not any(n.startswith(".") for n in p.relative_to(folder).parts)
    )


def printable(path: Path) -> str:
    """A path as text that can be written as UTF-8; invalid bytes become U+FFFD."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def identity(source: str) -> str:
    """A unique file name in ASCII for a source: its words and a short hash."""
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9.]+", "-", Path(plain).with_suffix("").as_posix()).strip("-.")
    canonical = unicodedata.normalize("NFC", source)
    return f"{words[:60]}-{stable_hash(canonical) >> 32:08x}"


def split(keys: dict[str, str]) -> dict[str, str]:
    """Assign songs to train, valid and test.

    The hash of a song's key decides: the lowest tenth of hashes is for the test, the next tenth for
    validation, the rest for training. If that leaves a split empty, as in a small folder, keys are
    ranked by their hashes instead: the first tenth (at least one) is for the test, the next for
    validation. If there are fewer than 3 different keys, the songs themselves are ranked.

    Parameters
    ----------
    keys : dict of str to str
        From the id of each song to its key; at least 3 songs. Songs with the same key are in the
        same split, except in the last case above.

    Returns
    -------
    dict of str to str
        From the id of each song to ``"train"``, ``"valid"`` or ``"test"``.
    """
    place = {song: stable_hash(key) / 2**64 for song, key in keys.items()}
    splits = {song: _by_hash(p) for song, p in place.items()}
    if len(set(splits.values())) == len(SPLITS):
        return splits
    group = keys if len(set(keys.values())) >= len(SPLITS) else {song: song for song in keys}
    ranked = list(_ranked(place, group))
    share = max(1, int(len(ranked) * HELD_OUT))
    names = dict.fromkeys(ranked, "train")
    names |= dict.fromkeys(ranked[share : 2 * share], "valid")
    names |= dict.fromkeys(ranked[:share], "test")
    return {song: names[group[song]] for song in keys}


def _by_hash(place: float) -> str:
    if place < HELD_OUT:
        return "test"
    return "valid" if place < 2 * HELD_OUT else "train"


def _ranked(place: dict[str, float], group: dict[str, str]) -> Iterator[str]:
    songs = sorted(place, key=lambda song: (place[song], stable_hash(song)))
    yield from dict.fromkeys(group[song] for song in songs)
