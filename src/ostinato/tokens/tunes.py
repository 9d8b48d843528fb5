"""The built-in text: dance tunes in ABC, music that is written in letters.

The tunes of three collections that music21 brings along: O'Neill's Music of Ireland, Ryan's Mammoth
Collection, Aird's Airs. Of a tune's head only metre, unit and key are kept, and of its body what
sounds: no titles, no remarks of those who wrote them down, no fingerings.
"""

import re
from pathlib import Path

import music21

from ostinato.sources import printable

COLLECTIONS = ("airdsAirs", "oneills1850", "ryansMammoth")
KEPT = ("M", "L", "K")
"""Fields of a head that are kept, in this order: metre, unit of length, key."""

_FIELD = re.compile(r"([A-Za-z+]):(.*)")
_REMARKS = re.compile(r'"[^"]*"|!\w[^!\n]*!|%.*|\[[A-Za-z]:[^\]]*\]')


def read_tunes(folder: Path, paths: list[Path]) -> dict[str, str]:
    """Read all tunes of some ABC files.

    Parameters
    ----------
    folder : Path
        In which the files lie.
    paths : list of Path
        The files.

    Returns
    -------
    dict of str to str
        From each tune, a line for each field that is kept and then the lines of music, to where it
        stands: its file's path below the folder, ``#`` and its number. None stands there twice.
    """
    tunes: dict[str, str] = {}
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, part in enumerate(re.split(r"^X:.*$", text, flags=re.MULTILINE)[1:], 1):
            if tune := clean(part):
                tunes.setdefault(tune, f"{printable(path.relative_to(folder))}#{number}")
    return tunes


def clean(part: str) -> str:
    """Keep of a tune what sounds.

    Parameters
    ----------
    part : str
        All behind its line ``X:``.

    Returns
    -------
    str
        Fields and music, or nothing if it has no key or no music.
    """
    head: dict[str, str] = {}
    music = []
    for line in part.splitlines():
        line = line.strip()
        if field := _FIELD.match(line):
            name, value = field[1], field[2].split("%")[0].strip()
            if name in KEPT and name not in head and value:
                head[name] = value
            continue
        line = re.sub(r"\s+", " ", _REMARKS.sub("", line.rstrip("\\"))).strip()
        if line:
            music.append(line)
    if "K" not in head or not music:
        return ""
    fields = [f"{name}:{head[name]}" for name in KEPT if name in head]
    return "\n".join([*fields, *music]) + "\n"


def built_in() -> dict[str, str]:
    """Read the built-in collections; see `read_tunes`."""
    folder = Path(music21.__file__).parent / "corpus"
    paths = (path for name in COLLECTIONS for path in sorted((folder / name).rglob("*.abc")))
    return read_tunes(folder, list(paths))
