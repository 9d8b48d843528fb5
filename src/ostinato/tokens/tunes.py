"""The built-in text: dance tunes in ABC, music that is written in letters.

The tunes of three collections that music21 brings along: O'Neill's Music of Ireland, Ryan's Mammoth
Collection, Aird's Airs. Of a tune's head only metre, unit and key are kept, and of its body what
sounds: no titles, no remarks of those who wrote them down, no fingerings.
"""

import re
from pathlib import Path

import music21

from ostinato.seeds import stable_hash

COLLECTIONS = ("airdsAirs", "oneills1850", "ryansMammoth")
KEPT = ("M", "L", "K")
"""Fields of a head that are kept, in this order: metre, unit of length, key."""

_FIELD = re.compile(r"([A-Za-z+]):(.*)")
_REMARKS = re.compile(r'"[^"]*"|!\w[^!\n]*!|%.*|\[[A-Za-z]:[^\]]*\]')


def read_tunes(folder: Path) -> list[str]:
    """Read all tunes of a folder of ABC files.

    Parameters
    ----------
    folder : Path
        Its files end in ``.abc``.

    Returns
    -------
    list of str
        A tune each, in the order of files and within them: a line for each field that is kept,
        then the lines of music, each with a line break at its end. None stands there twice.
    """
    tunes: dict[str, None] = {}
    for path in sorted(folder.rglob("*.abc")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for part in re.split(r"^X:.*$", text, flags=re.MULTILINE)[1:]:
            if tune := clean(part):
                tunes[tune] = None
    return list(tunes)


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


def built_in() -> list[str]:
    """Read the built-in collections; see `read_tunes`."""
    folder = Path(music21.__file__).parent / "corpus"
    return [tune for name in COLLECTIONS for tune in read_tunes(folder / name)]


def split_of(tune: str) -> str:
    """Decide whether a tune is for training, validation or test: 8, 1 and 1 of ten, by its hash."""
    return ("test", "valid", *["train"] * 8)[stable_hash(tune) % 10]
