"""Text as a sequence of letters: each character is a class."""

import codecs
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ostinato import files
from ostinato.errors import UserError
from ostinato.songs import SPLITS
from ostinato.sources import REJECTED_COLUMNS, Rejected, files_in, printable, split
from ostinato.tokens import tunes
from ostinato.tokens.labels import UNNAMED, check_labels, labels_of
from ostinato.tokens.streams import Piece, Vocabulary, write_streams

BLOCK = 1 << 20
"""Bytes of a text that are read at a time."""


def build(out: Path, source: str, folder: Path, labels: str | None) -> None:
    """Write text as streams; see `ostinato.tokens.streams.write_streams`.

    Parameters
    ----------
    out : Path
        A folder.
    source : str
        ``"tunes"``, dance tunes in ABC that come with music21, or ``"folder"``.
    folder : Path
        The person's texts for ``"folder"``, searched recursively. Where all are ABC files, each
        tune is a piece, cleaned by `ostinato.tokens.tunes.clean`. Otherwise each file is one, and
        unless pieces are classified, of each the first 80 % are to be learned, and the last 10 %
        are the test.
    labels : str or None
        As in `ostinato.tokens.labels.labels_of`; None unless pieces are classified.

    Raises
    ------
    UserError
        When there is no text, or only one character, or only one label.
    """
    where, tunes_only, texts, rejected = _found(source, folder)
    if labels:
        named = {text.source for text in texts if labels_of(text.source, labels)}
        rejected += [Rejected(t.source, UNNAMED) for t in texts if t.source not in named]
        texts = [text for text in texts if text.source in named]
    characters = sorted(set().union(*(text.characters for text in texts)))
    if len(characters) < 2:
        what = f"no character but {chr(characters[0])!r}" if characters else "no text"
        why = "".join(f"; {one.source}: {one.reason}" for one in rejected[:3])
        raise UserError(f"{where} holds {what}{why}")
    splits = dict.fromkeys((text.source for text in texts), "cut")
    if tunes_only or labels:
        if len(texts) < len(SPLITS):
            raise UserError(f"{where} holds {len(texts)} pieces; 3 are needed, one for each split")
        splits = split({text.source: text.digest for text in texts})
    pieces = [
        Piece(t.source, splits[t.source], labels_of(t.source, labels), t.blocks, t.length)
        for t in texts
    ]
    if labels:
        check_labels(pieces, where)
    names = ["", *map(chr, characters)]
    shifts = np.arange(len(names), dtype=np.int32)[None]
    about = {"kind": "tunes" if tunes_only else "text", "label": labels}
    write_streams(out, pieces, Vocabulary(np.array(characters), names, shifts), about)
    files.write_table(out / "rejected.csv", REJECTED_COLUMNS, map(vars, rejected))


@dataclass(frozen=True)
class _Text:
    """A text that was read once: what classes and splits need to know of it."""

    source: str
    blocks: Callable[[], Iterator[np.ndarray]]
    length: int
    characters: set[int]
    digest: str


def _found(source: str, folder: Path) -> tuple[str, bool, list[_Text], list[Rejected]]:
    """Read all texts: where they are, whether they are tunes, the texts, and files without any."""
    if source == "tunes":
        return "the music21 package", True, _tunes(tunes.built_in()), []
    where = f"tokens.letters.folder: {folder}"
    paths = files_in(folder, "tokens.letters.folder", "texts")
    if not paths:
        raise UserError(f"{where} holds no file; put text in UTF-8 there")
    if all(path.suffix.lower() == ".abc" for path in paths):
        return where, True, _tunes(tunes.read_tunes(folder, paths)), []
    return where, False, *_read(folder, paths)


def _tunes(named: dict[str, str]) -> list[_Text]:
    return [_scan(source, partial(_code_points, tune)) for tune, source in named.items()]


def _read(folder: Path, paths: list[Path]) -> tuple[list[_Text], list[Rejected]]:
    texts: dict[str, _Text] = {}
    rejected = []
    for path in paths:
        source = printable(path.relative_to(folder))
        try:
            text = _scan(source, partial(_blocks, path))
        except _NotText as error:
            rejected.append(Rejected(source, str(error)))
            continue
        if not text.length:
            rejected.append(Rejected(source, "0 characters"))
        elif text.digest in texts:
            same = texts[text.digest].source
            rejected.append(Rejected(source, f"the same text as {same}"))
        else:
            texts[text.digest] = text
    return list(texts.values()), rejected


def _scan(source: str, blocks: Callable[[], Iterator[np.ndarray]]) -> _Text:
    length, characters, digest = 0, set(), hashlib.sha256()
    for block in blocks():
        length += len(block)
        characters.update(np.unique(block).tolist())
        digest.update(block.tobytes())
    return _Text(source, blocks, length, characters, digest.hexdigest())


class _NotText(Exception):
    """A file that holds something else; the message says where."""


def _blocks(path: Path) -> Iterator[np.ndarray]:
    """Read a text: ndarrays[uint32] of code points."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with path.open("rb") as file:
        data = b"-"
        while data:
            place = file.tell() - len(decoder.getstate()[0])
            data = file.read(BLOCK)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise _NotText(f"byte {place + error.start:,} is not UTF-8") from error
            yield from _code_points(text)


def _code_points(text: str) -> Iterator[np.ndarray]:
    yield np.frombuffer(text.encode("utf-32-le"), np.uint32)
