"""ABC: what has to be done to its text before music21 can read it.

The format is that of the ABC standard 2.1 (Walshaw and others, 2011). music21 knows voices that
stand in lines of their own, but neither fields inside a line that change the voice, nor ``&``,
which begins the bar once more for another voice. It takes some symbols before notes for notes, and
leaves out rests that are not printed and rests of whole bars.
"""

import re
from fractions import Fraction
from itertools import groupby, pairwise

from ostinato.scores.score import UnreadableScore

FIELD = re.compile(r"\s*(?![A-Ga-gxz]:[|:])[A-Za-z]:")
"""What begins a line that is no music; a note before a repeat sign does not."""
SYMBOLS = "d:", "s:"
"""What begins a line of symbols above notes."""
VOICE = re.compile(r"\[V:[ \t]*([^\s\[\]]+)[^\[\]]*\]")
IGNORED = re.compile(r'"[^"]*"|![^!]*!|\+[^+]*\+|\{[^{}]*\}|\[[A-Za-z]:[^\[\]]*\]')
"""Chord symbols, decorations, grace notes and inline fields."""

COMMENT = re.compile(r"(?<!\\)%.*")
INLINE = re.compile(r"\[[A-Za-z]:[^\[\]]*\]")

BAR_LINE = re.compile(r"(:*\|[|\]:]*\d*|\[\||::)")
NOTE = re.compile(
    r"\((?P<tuplet>\d)(?::(?P<time>\d*))?(?::(?P<count>\d*))?"
    r"|(?:\[(?P<chord>[^\[\]|]*)\]|[_^=]*[A-Ga-gxz][,']*)(?P<times>\d{0,4})(?P<over>/{0,6})(?P<by>\d{0,4})"
)
TUPLETS = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}
"""In the time of how many notes that many notes are played."""

OVERLAY = "&"
"""What begins a bar once more."""

SILENT = re.compile(
    rf"(?P<ignored>{IGNORED.pattern})|(?P<symbol>[H-Wh-w~y\x80-\U0010ffff]\d*)|(?P<hidden>x)"
    r"|[ZX](?P<bars>\d*)"
)
"""What is no note: symbols, space and other letters, hidden rests, rests of whole bars."""

LENGTH_OF = re.compile(r"\(?([\d+ ]{1,20})\)?(?:/ *(\d{1,9}))?")
"""A metre or a unit, such as 4/4, (2+3)/8 and 1."""
MOST_BARS = 1000
"""The most bars of rests in a tune."""

NUMBER = re.compile("[0-9]+")
METRE = re.compile(r"(?:^|\[)[ \t]*M:([^\]\n]*)", re.MULTILINE)
UNIT = re.compile(r"(?:^|\[)[ \t]*L:[ \t]*(\d+)/?(\d*)", re.MULTILINE)
LENGTH = re.compile(r"\[(?P<inside>[^\[\]|]*)\](?P<chord>\d*)|[A-Ga-gxz][,']*(?P<note>\d+)")
MOST_BEATS, MOST_WHOLE_NOTES = 128, 16
"""The longest metre and note: music21 takes minutes and gigabytes to read longer ones."""


def check(tune: str) -> None:
    """Check that no metre and no note of a tune is too long.

    Parameters
    ----------
    tune : str

    Raises
    ------
    UnreadableScore
    """
    for metre in METRE.findall(tune):
        if _largest(metre) > MOST_BEATS:
            raise UnreadableScore(f"the metre {metre.strip()[:20]}, over {MOST_BEATS} beats")
    units = [_largest(over) / _largest(under) for over, under in UNIT.findall(tune)]
    unit = max(units, default=1 / 8)
    if unit > MOST_WHOLE_NOTES:
        raise UnreadableScore(f"notes of {unit:,.0f} whole notes, over {MOST_WHOLE_NOTES}")
    most = MOST_WHOLE_NOTES / unit
    for line in tune.splitlines():
        if FIELD.match(line):
            continue
        for length in LENGTH.finditer(IGNORED.sub("", COMMENT.sub("", line))):
            own = length["note"] or length["inside"]
            if _largest(own) * _largest(length["chord"] or "") > most:
                raise UnreadableScore(
                    f"the note {length[0][:20]}, over {MOST_WHOLE_NOTES} whole notes"
                )


def _largest(text: str) -> int:
    """Find the largest number in a text, at least 1 and at most a billion."""
    # Python refuses to convert thousands of digits.
    numbers = [int(each) if len(each) < 10 else 10**9 for each in NUMBER.findall(text)]
    return max([1, *numbers])


def tunes(text: str) -> list[str]:
    """Divide a tune book; fields before the first tune apply to all.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        One text for each tune, or one in all if there is none.
    """
    lines = _without_blocks(text.splitlines())
    lines = [line.strip() if FIELD.match(line) else line for line in lines]
    begins = [i for i, line in enumerate(lines) if line.startswith("X:")]
    if not begins:
        return ["\n".join(_without_prose(lines))]
    # Free text may stand before the tunes.
    head = [line for line in lines[: begins[0]] if FIELD.match(line) or line.startswith("%")]
    ends = [*begins[1:], len(lines)]
    written = [_without_prose(lines[i:j]) for i, j in zip(begins, ends, strict=True)]
    return ["\n".join(head + lines) + "\n" for lines in written]


def _without_blocks(lines: list[str]) -> list[str]:
    """Leave out what stands between ``%%begintext``, or the like, and its end, if it has one."""
    ends = max((i for i, line in enumerate(lines) if line.startswith("%%end")), default=-1)
    kept, inside = [], False
    for number, line in enumerate(lines):
        inside |= line.startswith("%%begin") and number < ends
        if not inside:
            kept.append(line)
        inside &= not line.startswith("%%end")
    return kept


def _without_prose(lines: list[str]) -> list[str]:
    """Leave out paragraphs after a tune, which are text if they have neither bars nor fields.

    In the standard, an empty line ends a tune; but many people leave one between voices.
    """
    kept: list[str] = []
    for full, paragraph in groupby(lines, key=lambda line: bool(line.strip())):
        written = list(paragraph)
        music = any("|" in line or FIELD.match(line) for line in written)
        if full and (music or not kept):
            kept += written
    return kept


def plain(tune: str) -> str:
    """Write voices that change inside lines, and those after ``&``, in lines of their own.

    Without a metre and a unit, notes are eighths, which is written down, too. All rests are ``z``,
    and symbols before notes are left out.

    Parameters
    ----------
    tune : str

    Returns
    -------
    str

    Raises
    ------
    UnreadableScore
        When it is not known how long a rest of whole bars is, or there are too many.
    """
    head, body = _divided([COMMENT.sub("", line) for line in tune.splitlines()])
    if head and not any(line.startswith(("L:", "M:")) for line in head):
        head.insert(-1, "L:1/8")
    rests = _Rests(head)
    body = [rests.line(line) for line in body if not line.startswith(SYMBOLS)]
    parted = any(line.startswith("V:") or VOICE.search(line) for line in body)
    if not parted and not any(OVERLAY in IGNORED.sub("", line) for line in body):
        return "\n".join(head + body) + "\n"
    named = [line[2:].split()[0] for line in head if line.startswith("V:") and line[2:].split()]
    voices: dict[str, list[str]] = {name: [] for name in named}
    voice = named[0] if named else "1"
    for line in body:
        if line.startswith("V:"):
            voice = line[2:].split()[0] if line[2:].split() else voice
            voices.setdefault(voice, [])
        elif FIELD.match(line):
            voices.setdefault(voice, []).append(line)
        else:
            first, *others = VOICE.split(line)
            pieces = [(voice, first), *zip(others[::2], others[1::2], strict=True)]
            for voice, piece in pieces:
                if piece.strip():
                    voices.setdefault(voice, []).append(piece)
    lines = [line for line in head if not line.startswith("V:")]
    layers = [layer for written in voices.values() if written for layer in _layers(written)]
    for number, layer in enumerate(layers, 1):
        lines += [f"V:{number}", *layer]
    return "\n".join(lines) + "\n"


def _divided(lines: list[str]) -> tuple[list[str], list[str]]:
    """Divide a tune into its head, which the key ends, and its music."""
    keys = [i for i, line in enumerate(lines) if line.startswith("K:")]
    end = keys[0] + 1 if keys else 0
    return lines[:end], lines[end:]


class _Rests:
    """Writes all rests of a tune as z, and leaves out symbols; it goes along the tune."""

    def __init__(self, head: list[str]):
        self.bar: Fraction | None = None
        self.unit: Fraction | None = None
        self.bars = 0
        for line in head:
            if FIELD.match(line):
                self.field(line.strip())
        if self.unit is None:
            self.unit = Fraction(1, 16 if self.bar and self.bar < Fraction(3, 4) else 8)

    def line(self, line: str) -> str:
        """Write a line of the body."""
        if FIELD.match(line):
            self.field(line.strip())
            return line
        return SILENT.sub(self._silence, line)

    def field(self, field: str) -> None:
        """Note a metre or a unit, in whole notes; a metre that is none ends the one before."""
        name, value = field[0], field[2:].strip()
        if name not in "ML":
            return
        found = LENGTH_OF.match({"C": "4/4", "C|": "2/2"}.get(value, value))
        over, under = found.groups() if found else ("", None)
        whole, parts = sum(map(int, NUMBER.findall(over))), int(under or 1)
        length = Fraction(whole, parts) if whole and parts else None
        if name == "M":
            self.bar = length
        else:
            self.unit = length or self.unit

    def _silence(self, match: re.Match[str]) -> str:
        if INLINE.fullmatch(match[0]):
            self.field(match[0][1:-1])
        if match["ignored"]:
            return match[0]
        if match["symbol"]:
            return ""
        if match["hidden"]:
            return "z"
        why = f"{match[0][:20]}, a rest of whole bars, "
        if self.bar is None:
            raise UnreadableScore(f"{why}without a metre")
        if self.bar > MOST_WHOLE_NOTES:
            raise UnreadableScore(f"{why}of over {MOST_WHOLE_NOTES} whole notes")
        bars, length = _largest(match["bars"]), self.bar / self.unit
        self.bars += bars
        if self.bars > MOST_BARS:
            raise UnreadableScore(f"rests of over {MOST_BARS:,} bars")
        return "|".join([f"z{length.numerator}/{length.denominator}"] * bars)


def _layers(lines: list[str]) -> list[list[str]]:
    """Divide the lines of a voice into one voice for each overlay, silent where there is none."""
    bars = [re.split(BAR_LINE, line) if not FIELD.match(line) else [] for line in lines]
    many = max((len(_overlays(bar)) for line in bars for bar in line[::2]), default=1)
    layers: list[list[str]] = [[] for _ in range(many)]
    for line, parts in zip(lines, bars, strict=True):
        for number, layer in enumerate(layers):
            if not parts:
                # Words belong to the first layer, all other fields to each.
                if number == 0 or line[0] not in "wW":
                    layer.append(line)
                continue
            written = []
            for bar, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
                played = _overlays(bar)
                written.append((played[number] if number < len(played) else _rest(bar)) + end)
            layer.append("".join(written))
    return layers


def _overlays(bar: str) -> list[str]:
    """Divide a bar at ``&``, but for those in chord symbols and the like."""
    masked = IGNORED.sub(lambda found: "." * len(found[0]), bar)
    places = [-1, *(i for i, each in enumerate(masked) if each == OVERLAY), len(bar)]
    return [bar[i + 1 : j] for i, j in pairwise(places)]


def _rest(bar: str) -> str:
    """Write a rest as long as the first voice of a bar, with the fields inside it."""
    first = _overlays(bar)[0]
    fields = "".join(INLINE.findall(first))
    length = _length(first)
    return fields + (f" z{length.numerator}/{length.denominator} " if length else "")


def _length(bar: str) -> Fraction:
    """Add up how long the notes of a bar last, in units."""
    whole, left, factor = Fraction(0), 0, Fraction(1)
    for match in NOTE.finditer(IGNORED.sub("", bar)):
        if match["tuplet"]:
            many = int(match["tuplet"])
            factor = Fraction(int(match["time"] or TUPLETS.get(many, 2)), max(many, 1))
            left = int(match["count"] or many)
            continue
        inside = NOTE.search(match["chord"]) if match["chord"] else None
        length = _duration(match) * (_duration(inside) if inside else 1)
        whole += length * (factor if left > 0 else 1)
        left -= 1
    return whole


def _duration(match: re.Match[str]) -> Fraction:
    by = int(match["by"] or 2) ** len(match["over"]) if match["over"] else 1
    return Fraction(int(match["times"] or 1), max(by, 1))
