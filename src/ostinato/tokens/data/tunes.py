"""Dance tunes in ABC: music that is written in letters.

The built-in ones are those of three collections that music21 brings along: O'Neill's Music of
Ireland, Ryan's Mammoth Collection, Aird's Airs. Of a tune's head only metre, unit and key are kept,
and of its body what sounds: no titles, no remarks of those who wrote them down, no fingerings.
"""

import re
from pathlib import Path

import music21

COLLECTIONS = ("airdsAirs", "oneills1850", "ryansMammoth")
KEPT = ("M", "L", "K")
"""Fields that are kept, in a head in this order: metre, unit of length, key."""

INCIPIT = 12
"""Notes by which versions of a tune are known as such."""

_FIELD = re.compile(r"([A-Za-z+]):(?![|:])(.*)")
_REMARKS = re.compile(r'"[^"]*"|!\w[^!\n]*!|%.*|\[(?![KLM]:)[A-Za-z]:[^\]]*\]|[*\\]')
_VOICES = re.compile(r"^V:|\[V:", re.MULTILINE)
_NO_MUSIC = re.compile(r"(?=[A-Za-z]{3})[A-Za-z]*[^\WA-GHKMOPQRSTUVXZa-gkuvxyz\d_]")
"""Of a word of three letters, one that is no note, rest or ornament."""


def read_book(text: str) -> list[tuple[int, str]]:
    """Read the tunes of an ABC file.

    Parameters
    ----------
    text : str
        Its content.

    Returns
    -------
    list of (int, str)
        Number in the file, from 1 on, and what `clean` leaves, of each tune of which that is
        something.
    """
    head, *parts = re.split(r"^X:.*$", text, flags=re.MULTILINE)
    # What stands before the first tune holds for all that do not say otherwise.
    common = "".join(f"{line}\n" for line in head.splitlines() if _FIELD.match(line.strip()))
    cleaned = [(number, clean(common + part)) for number, part in enumerate(parts, 1)]
    return [(number, tune) for number, tune in cleaned if tune]


def clean(part: str) -> str:
    """Keep of a tune what sounds.

    Parameters
    ----------
    part : str
        All behind its line ``X:``; what holds for the whole file may stand before it.

    Returns
    -------
    str
        Fields and music, a line each; or nothing if it has no key, no music, or several voices.
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
    """Name the first notes of a tune, without lengths and octaves, alike in its versions."""
    music = "".join(line for line in tune.splitlines() if not _FIELD.match(line))
    return "".join(re.findall("[A-G]", music.upper())[:INCIPIT])


def built_in() -> list[tuple[str, str]]:
    """Read the built-in collections.

    Returns
    -------
    list of (str, str)
        Where a tune stands, its file's path below the folder of collections, ``#`` and its number,
        and the tune.
    """
    folder = Path(music21.__file__).parent / "corpus"
    paths = (path for name in COLLECTIONS for path in sorted((folder / name).rglob("*.abc")))
    return [
        (f"{path.relative_to(folder).as_posix()}#{number}", tune)
        for path in paths
        for number, tune in read_book(path.read_text(encoding="utf-8"))
    ]
