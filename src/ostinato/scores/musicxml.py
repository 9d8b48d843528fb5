"""MusicXML: what is checked and changed before music21 reads it.

A compressed file is a zip archive, whose META-INF/container.xml names the score in it. Nothing is
unpacked to the disk, no more is unpacked than `MAX_BYTES`, and no entity is expanded.
"""

import re
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from ostinato.scores.score import UnreadableScore

MAX_BYTES = 5_000_000
"""Larger scores are rejected: music21 needs about a hundred times their size in memory."""

CONTAINER, MAX_CONTAINER = "META-INF/container.xml", 4096
METHODS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

MAX_BEATS = 128
"""music21 lists all ways to divide a bar, which takes minutes and gigabytes for large numbers."""


def readable(path: Path) -> Path | str:
    """Check a file of MusicXML, and return what music21 can read.

    Parameters
    ----------
    path : Path
        Compressed or not.

    Returns
    -------
    Path or str
        The file, or its text if it is compressed, or by bars and not by parts, which is rare.

    Raises
    ------
    UnreadableScore
        When it is too large or damaged, declares its elements or entities, or has too many beats.
    """
    compressed = zipfile.is_zipfile(path)
    data = _unpacked(path) if compressed else path.read_bytes()
    if len(data) > MAX_BYTES:
        raise UnreadableScore(f"more than {MAX_BYTES:,} bytes of notation")
    by_bars = _checked(data)
    if not compressed and not by_bars:
        return path
    try:
        root = ElementTree.fromstring(data)
        if by_bars:
            _turn(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    # Such as elements in elements in elements, thousands of times.
    except (ElementTree.ParseError, RecursionError) as error:
        raise UnreadableScore(f"damaged MusicXML: {error}") from error


def _unpacked(path: Path) -> bytes:
    """Read the score in an archive, or its beginning if it is too large."""
    try:
        with zipfile.ZipFile(path) as archive:

            def content(name: str, most: int = MAX_BYTES + 1) -> bytes:
                if archive.getinfo(name).compress_type not in METHODS:
                    raise UnreadableScore("compressed in a way that MusicXML does not have")
                with archive.open(name) as file:
                    return file.read(most)

            names = archive.namelist()
            name = None
            if CONTAINER in names:
                name = _named(content(CONTAINER, MAX_CONTAINER))
            if name not in names:
                scores = [n for n in names if re.search(r"(?i)^(?!META-INF/).*\.(music)?xml$", n)]
                if not scores:
                    raise UnreadableScore("no score in the archive")
                name = scores[0]
            return content(name)
    # A damaged archive can say that it is encrypted, or compressed in whatever way.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise UnreadableScore(f"damaged archive: {error}") from error


def _named(container: bytes) -> str | None:
    """Read which file of an archive is the score."""
    found = re.search(rb"""<rootfile\b[^<>]*?\sfull-path\s*=\s*["']([^"']*)["']""", container)
    return found[1].decode("utf-8", "replace") if found else None


def _checked(data: bytes) -> bool:
    """Check the elements of a score, and say whether it is by bars."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    root = ""

    def document_type(name: str, system: str | None, public: str | None, internal: bool) -> None:
        if internal:
            raise UnreadableScore("declares what its elements are, as no MusicXML needs to")

    def skipped(name: str, parameter: bool) -> None:
        raise UnreadableScore(f"damaged MusicXML: the entity {name!r} is not known")

    def beats(text: str) -> None:
        numbers = [number.strip() for number in text.split("+")]  # as in 3+2/8
        if any(not n.isdecimal() or len(n) > 3 or int(n) > MAX_BEATS for n in numbers):
            raise UnreadableScore(f"a metre of {text.strip()[:40]} beats, over {MAX_BEATS}")

    def begins(name: str, attributes: dict[str, str]) -> None:
        nonlocal root
        root = root or name
        if name == "beats":
            parser.CharacterDataHandler = beats

    def ends(name: str) -> None:
        parser.CharacterDataHandler = None

    parser.StartDoctypeDeclHandler = document_type
    parser.SkippedEntityHandler = skipped
    parser.StartElementHandler = begins
    parser.EndElementHandler = ends
    try:
        parser.Parse(data, True)
    # An unknown charset is a LookupError, one of several bytes a ValueError.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableScore(f"damaged MusicXML: {error}") from error
    return root == "score-timewise"


def _turn(root: ElementTree.Element) -> None:
    """Turn a score by bars into one by parts."""
    parts: dict[str, ElementTree.Element] = {}
    for measure in root.findall("measure"):
        root.remove(measure)
        for part in measure.findall("part"):
            name = part.get("id", "")
            whole = parts.setdefault(name, ElementTree.Element("part", id=name))
            part.tag, part.attrib = "measure", dict(measure.attrib)
            whole.append(part)
    root.tag = "score-partwise"
    root.extend(parts.values())
