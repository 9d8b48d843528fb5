"""Dance tunes in ABC: music written as text.

The built-in tunes are three collections that come with music21: O'Neill's Music of Ireland, Ryan's
Mammoth Collection, and Aird's Airs. Only the metre, the unit note length and the key are kept from
the header of a tune, and only the music from its body: no titles, no comments, no fingerings.
"""

import re
from pathlib import Path

import music21

COLLECTIONS = ("airdsAirs", "oneills1850", "ryansMammoth")
KEPT = ("M", "L", "K")
"""Fields that are kept, in their order in a header: metre, unit note length, key."""

INCIPIT = 12
"""The number of notes by which versions of the same tune are recognised."""

_FIELD = re.compile(r"([A-Za-z+]):(?![|:])(.*)")
_REMARKS = re.compile(r'"[^"]*"|!\w[^!\n]*!|%.*|\[(?![KLM]:)[A-Za-z]:[^\]]*\]|[*\\]')
_VOICES = re.compile(r"^V:|\[V:", re.MULTILINE)
_NO_MUSIC = re.compile(r"(?=[A-Za-z]{3})[A-Za-z]*[^\WA-GHKMOPQRSTUVXZa-gkuvxyz\d_]")
"""A word of three letters or more, up to a letter that is not a note, rest or ornament."""


def read_book(text: str) -> list[tuple[int, str]]:
    """Read the tunes of an ABC file.

    Parameters
    ----------
    text : str
        Its content.

    Returns
    -------
    list of (int, str)
        The number in the file, counted from 1, and the cleaned text of each tune. Tunes of which
        `clean` leaves nothing are omitted.
    """
    head, *parts = re.split(r"^X:.*$", text, flags=re.MULTILINE)
    # Fields before the first tune are the defaults of all tunes.
    common = "".join(f"{line}\n" for line in head.splitlines() if _FIELD.match(line.strip()))
    cleaned = [(number, clean(common + part)) for number, part in enumerate(parts, 1)]
    return [(number, tune) for number, tune in cleaned if tune]


def clean(part: str) -> str:
    """Keep only the music of a tune, and the fields that are needed to read it.

    Parameters
    ----------
    part : str
        Everything after the line ``X:``, optionally preceded by the fields of the whole file.

    Returns
    -------
    str
        Lines of fields and music; empty if the tune has no key, no music, or several voices.
    """
    head: dict[str, str] = {}
    music: list[str] = []
    for line in part.splitlines():
        if field := _FIELD.match(line.strip()):
            name, value = field[1], field[2].split("%")[0].strip()
            if name in KEPT and value and music:
                music.append(f"{name}:{value}")
            elif name in KEPT and value:
                head[name] = value
            continue
        line = re.sub(r"\s+", " ", _REMARKS.sub("", line)).strip()
        if re.search("[A-Ga-gz|]", line) and not _NO_MUSIC.search(line):
            music.append(line)
    if "K" not in head or not music or _VOICES.search(part):
        return ""
    fields = [f"{name}:{head[name]}" for name in KEPT if name in head]
    return "\n".join([*fields, *music]) + "\n"


def incipit(tune: str) -> str:
    """Return the first notes of a tune without lengths and octaves: the same in all versions."""
    music = "".join(line for line in tune.splitlines() if not _FIELD.match(line))
    return "".join(re.findall("[A-G]", music.upper())[:INCIPIT])


def built_in() -> list[tuple[str, str]]:
    """Read the built-in collections.

    Returns
    -------
    list of (str, str)
        The source of each tune (the path of its file, relative to music21's corpus, ``#``, and its
        number) and the tune.
    """
    folder = Path(music21.__file__).parent / "corpus"
    paths = (path for name in COLLECTIONS for path in sorted((folder / name).rglob("*.abc")))
    return [
        (f"{path.relative_to(folder).as_posix()}#{number}", tune)
        for path in paths
        for number, tune in read_book(path.read_text(encoding="utf-8"))
    ]
