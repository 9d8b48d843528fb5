"""Text as a sequence of characters: each character is a class."""

import codecs
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.scores.sources import REJECTED_COLUMNS, SPLITS, Rejected, files_in, printable, split
from ostinato.tokens.data import tunes
from ostinato.tokens.data.labels import UNLABELLED, labels_of, learnable, unlearned
from ostinato.tokens.data.streams import Piece, Vocabulary, write_streams

BLOCK = 1 << 20
"""The number of bytes of a text that are read at a time."""


def build(out: Path, source: str, folder: Path, labelling: str | None) -> None:
    """Write text as streams; see `ostinato.tokens.data.streams.write_streams`.

    Parameters
    ----------
    out : Path
        A folder.
    source : str
        ``"tunes"``, the dance tunes in ABC that come with music21, or ``"folder"``.
    folder : Path
        The user's texts for ``"folder"``, searched recursively. If there are ABC files, only these
        are read: each tune is a piece, cleaned by `ostinato.tokens.data.tunes.clean`. Otherwise
        each file is a piece, and unless pieces are classified, it is cut: the first 80 % are for
        training, the next 10 % for validation, the last 10 % for the test.
    labelling : str or None
        From `ostinato.tokens.data.labels.labelling`.

    Raises
    ------
    UserError
        When there is no text, only one character, or only one label; or when there are too few
        pieces for three splits.
    """
    where, kind, texts, rejected = _found(source, folder)
    if labelling:
        labelled = {text.source for text in texts if labels_of(text.source, labelling)}
        rejected += [Rejected(t.source, UNLABELLED) for t in texts if t.source not in labelled]
        texts = [text for text in texts if text.source in labelled]
    why = "".join(f"; {one.source}: {one.reason}" for one in rejected[:3])
    characters = sorted(set().union(*(text.characters for text in texts)))
    if len(characters) < 2:
        what = f"no character but {chr(characters[0])!r}" if characters else "no text"
        raise UserError(f"{where} holds {what}{why}")
    splits = dict.fromkeys((text.source for text in texts), "cut")
    if labelling or kind == "tunes":
        if len(texts) < len(SPLITS):
            raise UserError(
                f"{where} holds too few pieces ({len(texts)}); each split needs one, 3 in all{why}"
            )
        splits = split({text.source: text.key for text in texts})
    pieces = [
        Piece(t.source, splits[t.source], labels_of(t.source, labelling), t.blocks, t.length)
        for t in texts
    ]
    if labelling:
        known = learnable(pieces, where)
        rejected += [unknown for piece in pieces if (unknown := unlearned(piece, known))]
        pieces = [piece for piece in pieces if not unlearned(piece, known)]
    names = ["", *map(chr, characters)]
    shifts = np.arange(len(names), dtype=np.int32)[None]
    vocabulary = Vocabulary(np.array(characters), names, shifts)
    written = progress(pieces, len(pieces), "tokens: writing")
    write_streams(out, written, vocabulary, {"kind": kind, "labelling": labelling})
    files.write_table(out / "rejected.csv", REJECTED_COLUMNS, map(vars, rejected))


@dataclass(frozen=True)
class _Text:
    """A text that was read once: what is needed to make classes and splits."""

    source: str
    blocks: Callable[[], Iterator[np.ndarray]]
    length: int
    characters: set[int]
    digest: str
    key: str
    """Texts with the same key are in the same split."""


def _found(source: str, folder: Path) -> tuple[str, str, list[_Text], list[Rejected]]:
    """Read all texts: give where they are, their kind, the texts, and the rejected files."""
    if source == "tunes":
        return "the music21 package", "tunes", *_different(map(_tune, tunes.built_in()))
    where = f"tokens.letters.folder: {folder}"
    paths = files_in(folder, "tokens.letters.folder", "texts")
    if not paths:
        raise UserError(f"{where} holds no file; put text in UTF-8 there")
    books = any(path.suffix.lower() == ".abc" for path in paths)
    found: list[_Text | Rejected] = []
    for path in progress(paths, len(paths), "tokens: reading"):
        name = printable(path.relative_to(folder))
        try:
            if not books:
                found.append(_scan(name, partial(_blocks, path)))
            elif path.suffix.lower() == ".abc":
                found += _book(name, path)
            else:
                found.append(Rejected(name, "not ABC, as other files are"))
        except _NotText as error:
            found.append(Rejected(name, str(error)))
    return where, "tunes" if books else "text", *_different(found)


def _book(name: str, path: Path) -> list[_Text | Rejected]:
    text = "".join(map(chr, np.concatenate([np.zeros(0, np.uint32), *_blocks(path)])))
    found = [_tune((f"{name}#{number}", tune)) for number, tune in tunes.read_book(text)]
    return found or [Rejected(name, "no tune with number, key, music and one voice")]


def _tune(named: tuple[str, str]) -> _Text:
    source, tune = named
    return _scan(source, partial(_code_points, tune), tunes.incipit(tune))


def _different(found: Iterable[_Text | Rejected]) -> tuple[list[_Text], list[Rejected]]:
    """Leave out empty texts and duplicates."""
    texts: dict[str, _Text] = {}
    rejected = []
    for one in found:
        if isinstance(one, Rejected):
            rejected.append(one)
        elif not one.length:
            rejected.append(Rejected(one.source, "0 characters"))
        elif one.digest in texts:
            same = texts[one.digest].source
            rejected.append(Rejected(one.source, f"the same text as {same}"))
        else:
            texts[one.digest] = one
    return list(texts.values()), rejected


def _scan(source: str, blocks: Callable[[], Iterator[np.ndarray]], key: str | None = None) -> _Text:
    length, characters, digest = 0, set(), hashlib.sha256()
    for block in blocks():
        length += len(block)
        characters.update(np.unique(block).tolist())
        digest.update(block.tobytes())
    digits = digest.hexdigest()
    return _Text(source, blocks, length, characters, digits, key or digits)


class _NotText(Exception):
    """A file is not text in UTF-8; the message says where."""


def _blocks(path: Path) -> Iterator[np.ndarray]:
    """Read a text, without its byte order mark, as code points: ndarrays[uint32]."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        data = b"-"
        while data:
            place = file.tell() - len(decoder.getstate()[0])
            data = file.read(BLOCK)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise _NotText(f"byte {place + error.start:,} is not UTF-8") from error
            yield from _code_points(text if place else text.removeprefix("\ufeff"))


def _code_points(text: str) -> Iterator[np.ndarray]:
    yield np.frombuffer(text.encode("utf-32-le"), np.uint32)
