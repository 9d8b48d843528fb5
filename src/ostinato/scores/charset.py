"""Charsets: which one the texts of a file are written in, since MIDI files do not say."""

import unicodedata
from collections.abc import Iterable
from itertools import pairwise

CYRILLIC, JAPANESE, WESTERN = "cp1251", "cp932", "cp1252"

SYLLABLES = "HIRAGANA", "KATAKANA"
WIDE = *SYLLABLES, "CJK", "FULLWIDTH", "IDEOGRAPHIC"
"""What names of characters begin with that Japanese is written with."""


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
    """Whether a text has syllables of Japanese, or characters side by side, and nothing else."""
    try:
        decoded = text.decode(JAPANESE)
    except UnicodeDecodeError:
        return False
    names = [unicodedata.name(each, "") for each in decoded]
    wide = [name.startswith(WIDE) for name in names]
    others = [name for each, name in zip(decoded, names, strict=True) if not each.isascii()]
    if not all(name.startswith((*WIDE, "HALFWIDTH")) for name in others):
        return False
    # A letter with an accent and the one after it look like a single character between letters.
    beside = any(first and second for first, second in pairwise(wide))
    return beside or any(name.startswith(SYLLABLES) for name in names)


def _is_cyrillic(text: bytes) -> bool:
    """Whether most words that are not ASCII consist of Cyrillic letters, some of at least three."""
    decoded = text.decode(CYRILLIC, "replace")
    words = "".join(each if each.isalpha() else " " for each in decoded).split()
    foreign = [word for word in words if not word.isascii()]
    whole = [word for word in foreign if not any(map(str.isascii, word))]
    long = any(len(word) > 2 for word in whole)
    return long and 2 * sum(map(len, whole)) > sum(map(len, foreign))
