"""Charsets: which one the texts of a file are written in, since MIDI files do not say."""

import unicodedata
from collections.abc import Iterable

CYRILLIC, JAPANESE, WESTERN = "cp1251", "cp932", "cp1252"

JAPANESE_SCRIPTS = "HIRAGANA", "KATAKANA", "CJK", "FULLWIDTH", "IDEOGRAPHIC", "HALFWIDTH"


def charset_of(texts: Iterable[bytes]) -> str:
    """Find the charset of texts: UTF-8, Windows-1251 (Cyrillic), Shift-JIS or Windows-1252.

    Text in UTF-8 that is not ASCII cannot well be anything else. In Windows-1251, words consist of
    Cyrillic letters alone, where Western words have few letters with accents. In Shift-JIS, every
    character is one that Japanese is written with.

    Parameters
    ----------
    texts : iterable of bytes
        All texts of a file: the more there are, the surer it is.

    Returns
    -------
    str
        Name of the charset, for `decode`.
    """
    joined = b"\n".join(texts)
    try:
        joined.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    if _is_japanese(joined):
        return JAPANESE
    return CYRILLIC if _is_cyrillic(joined) else WESTERN


def decode(text: bytes, charset: str) -> str:
    """Decode a text, without the spaces and zeros around it; what is wrong becomes U+FFFD."""
    return text.decode(charset, "replace").strip("\0 \t\r\n")


def _is_japanese(text: bytes) -> bool:
    try:
        decoded = text.decode(JAPANESE)
    except UnicodeDecodeError:
        return False
    names = [unicodedata.name(each, "") for each in decoded if not each.isascii()]
    wide = sum(not name.startswith("HALFWIDTH") for name in names)
    # Half-width katakana are what every other charset has for letters.
    return all(name.startswith(JAPANESE_SCRIPTS) for name in names) and 2 * wide > len(names)


def _is_cyrillic(text: bytes) -> bool:
    decoded = text.decode(CYRILLIC, "replace")
    words = "".join(each if each.isalpha() else " " for each in decoded).split()
    foreign = [word for word in words if not word.isascii()]
    whole = sum(len(word) for word in foreign if not any(map(str.isascii, word)))
    return 2 * whole > sum(map(len, foreign))
