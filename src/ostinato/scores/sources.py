"""A person's files: finding them, naming them, and dividing them into splits."""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ostinato.core.errors import UserError
from ostinato.core.seeds import stable_hash

SPLITS = ("train", "valid", "test")

REJECTED_COLUMNS = ["source", "reason"]

HELD_OUT = 0.1
"""Share of the hash range that goes to test, and as much to valid."""


@dataclass(frozen=True)
class Rejected:
    """A file that was not taken, and why."""

    source: str
    reason: str


def files_in(folder: Path, parameter: str, what: str) -> list[Path]:
    """List the files below a folder, hidden ones left out, in order of their paths.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    parameter, what : str
        Where the folder is named, and what should lie in it, for the error message.

    Raises
    ------
    UserError
        When it is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{parameter}: {folder} is no folder; name the one with your {what}")
    paths = (p for p in folder.rglob("*") if p.is_file())
    return sorted(
        p for p in paths if not any(n.startswith(".") for n in p.relative_to(folder).parts)
    )


def printable(path: Path) -> str:
    """A path as text that any file can hold; what is no UTF-8 in it becomes question marks."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def identity(source: str) -> str:
    """A file name of plain letters that no other source has: its words and a short hash."""
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9.]+", "-", Path(plain).with_suffix("").as_posix()).strip("-.")
    canonical = unicodedata.normalize("NFC", source)
    return f"{words[:60]}-{stable_hash(canonical) >> 32:08x}"


def split(keys: dict[str, str]) -> dict[str, str]:
    """Assign songs to train, valid and test.

    Each key's hash decides: the lowest tenth is test, the next valid, the rest train. Where that
    leaves a split empty (a small folder), keys are ranked by hash instead, the first to test, the
    second to valid; with fewer than 3 different keys the songs themselves are ranked.

    Parameters
    ----------
    keys : dict of str to str
        Song id to its `split_key`; at least 3.

    Returns
    -------
    dict of str to str
        Song id to ``"train"``, ``"valid"`` or ``"test"``.
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
