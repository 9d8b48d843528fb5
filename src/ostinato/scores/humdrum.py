"""Reading Humdrum files with spines of ``**kern``.

A file is a table: its lines are moments, its columns (spines) are parts. A spine may split into
several paths, which may split and join again. The format is that of Huron (1995, "The Humdrum
Toolkit: Reference Manual"). ``**kern`` holds pitches as they sound, also those of transposing
instruments, whose interval (``*ITr``) only says how their music is written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, pairwise

from ostinato.scores.repeats import Bar, played
from ostinato.scores.score import VELOCITY, Part, Score, UnreadableScore
from ostinato.scores.written import Note, Passage, Written, sounding

WHOLE = 4
"""Quarter notes in a whole note."""

PITCHES = dict(zip("cdefgab", (0, 2, 4, 5, 7, 9, 11), strict=True))
MIDDLE_C = 60

DURATION = re.compile(r"(0{1,3}|[1-9]\d{0,3})(?:%([1-9]\d{0,3}))?(\.{0,3})")
PITCH = re.compile(r"(([a-g])\2*|([A-G])\3*)(#+|-+|)")
METRE = re.compile(r"\*M(\d{1,3})/(\d{1,3})$")
TEMPO = re.compile(r"\*MM(\d{1,4}(?:\.\d+)?)$")
SECTION = re.compile(r"\*>(?!norep)([^\[\],]+)$")
ORDER = re.compile(r"\*>\[(.*)\]$")

FORWARD, BACKWARD = re.compile(r"[|!]:"), re.compile(r":[|!]")
"""Repeat signs in bar lines."""

PROGRAMS = {
    "piano": 0, "cemba": 6, "organ": 19, "guitr": 24, "liuto": 24, "violn": 40, "viola": 41,
    "cello": 42, "cbass": 43, "harp": 46, "timpa": 47, "vox": 52, "soprn": 52, "alto": 52,
    "tenor": 52, "bass": 52, "tromp": 56, "tromb": 57, "tuba": 58, "corno": 60, "oboe": 68,
    "cangl": 69, "fagot": 70, "clars": 71, "picco": 72, "flt": 73, "fltds": 74,
}  # fmt: skip
"""General MIDI programs of the instruments' codes."""

MOST_SECTIONS = 1000
"""An order of more sections than this is not followed."""


@dataclass
class Path:
    """A column: its spine, whether that holds notes, and when what it plays ends, in quarters."""

    spine: int
    notes: bool = False
    end: Fraction = Fraction(0)


def read_humdrum(text: str) -> Score:
    """Read a Humdrum file as it sounds.

    Repeats are played out, by the file's list of sections if it has one, otherwise by its repeat
    signs. Tied notes become one note, and grace notes, which have no duration, are left out.

    Parameters
    ----------
    text : str

    Returns
    -------
    Score
        Each spine of notes is a part, the last one the first, since the highest is the last. From
        a line on that cannot be read, nothing is.

    Raises
    ------
    UnreadableScore
        If there is no spine of notes.
    """
    reader = _Reader()
    reader.read(text)
    if not reader.names:
        raise UnreadableScore("a Humdrum file without **kern")
    written = reader.written
    spines = sorted(reader.names, reverse=True)
    written.parts = [Part(reader.names[i], reader.programs.get(i, 0)) for i in spines]
    for note in written.notes:
        note.part = spines.index(note.part)
    beats, unit = written.metres.get(Fraction(0), (4, 4))
    bar = Fraction(WHOLE * beats, unit)
    first = next((moment for moment, _ in reader.lines if moment > 0), bar)
    written.pickup = max(bar - first, Fraction(0))
    return sounding(written, reader.passages())


class _Reader:
    """Reads the lines of a file, one after the other.

    Attributes
    ----------
    written : Written
        The parts of its notes are spines.
    names, programs : dict of int to str, or int
        Names of the instruments of spines with notes, and their General MIDI programs if known.
    lines : list of (Fraction, str)
        Bar lines.
    """

    def __init__(self) -> None:
        self.written = Written()
        self.names: dict[int, str] = {}
        self.lines: list[tuple[Fraction, str]] = []
        self.sections: list[tuple[str, Fraction]] = []
        self.order: list[str] = []
        self.paths: list[Path] = []
        self.programs: dict[int, int] = {}
        self.spines = 0
        self.now = self.end = Fraction(0)

    def read(self, text: str) -> None:
        """Read all lines, or those before one that cannot be read."""
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._line(line)
            except ValueError as error:
                self.written.mended.append(f"line {number} and all after it: {error}")
                break

    def _line(self, line: str) -> None:
        if line.startswith("!!!OTL") and not self.written.title:
            self.written.title = line.partition(":")[2].strip()
        if not line.strip() or line.startswith("!"):
            return
        fields = line.split("\t")
        if not self.paths and fields[0].startswith("**"):
            self.paths = [self._spine() for _ in fields]
        if len(fields) != len(self.paths):
            raise ValueError(f"{len(fields)} columns where there are {len(self.paths)}")
        if line.startswith("="):
            self.now = self._begins()
            self.lines.append((self.now, fields[0]))
        elif line.startswith("*"):
            self._interpretations(fields)
        else:
            self._notes(fields)

    def _interpretations(self, fields: list[str]) -> None:
        for path, token in zip(self.paths, fields, strict=True):
            if token.startswith("**"):
                path.notes, path.end = token == "**kern", self.now
                if path.notes:
                    self.names[path.spine] = ""
            elif match := METRE.match(token):
                self.written.add_metre(self._begins(), *map(int, match.groups()))
            elif match := TEMPO.match(token):
                self.written.add_tempo(self._begins(), float(match[1]))
            elif token.startswith('*I"') and path.notes:
                self.names[path.spine] = token[3:].strip()
            elif token[2:] in PROGRAMS and token.startswith("*I"):
                self.programs[path.spine] = PROGRAMS[token[2:]]
        if match := SECTION.match(fields[0]):
            self.sections.append((match[1], self._begins()))
        elif (match := ORDER.match(fields[0])) and not self.order:
            self.order = match[1].split(",")
        self.paths = list(self._manipulated(fields))

    def _spine(self) -> Path:
        self.spines += 1
        return Path(self.spines)

    def _begins(self) -> Fraction:
        """Find when what comes next begins."""
        return max([self.now, *(path.end for path in self.paths if path.notes)])

    def _manipulated(self, fields: list[str]) -> Iterator[Path]:
        """Split, join, exchange, add and end paths."""
        pairs = list(zip(self.paths, fields, strict=True))
        swapped = [i for i, token in enumerate(fields) if token == "*x"]
        for one, other in zip(swapped[::2], swapped[1::2], strict=False):
            pairs[one], pairs[other] = pairs[other], pairs[one]
        for (spine, token), group in groupby(pairs, lambda pair: (pair[0].spine, pair[1])):
            paths = [path for path, _ in group]
            if token == "*v":
                yield Path(spine, paths[0].notes, max(path.end for path in paths))
                continue
            for path in paths:
                if token != "*-":
                    yield path
                if token == "*^":
                    yield replace(path)
                elif token == "*+":
                    yield self._spine()

    def _notes(self, fields: list[str]) -> None:
        struck = [
            (path, token)
            for path, token in zip(self.paths, fields, strict=True)
            if path.notes and token != "." and not {"q", "Q"} & set(token)
        ]
        if not struck:
            return
        self.now = max(self.now, *(path.end for path, _ in struck))
        for path, token in struck:
            length = None
            for part in token.split():
                if match := DURATION.search(part):
                    length = _length(*match.groups())
                if length is None:
                    raise ValueError(f"{part!r} has no duration")
                if "r" not in part:
                    self._note(path.spine, part, length)
            path.end = self.now + (length or 0)
            self.end = max(self.end, path.end)

    def _note(self, spine: int, token: str, length: Fraction) -> None:
        match = PITCH.search(token)
        if not match:
            raise ValueError(f"{token!r} is no note")
        letters, signs = match[1], match[4]
        octave = len(letters) - 1 if letters.islower() else -len(letters)
        sharp = len(signs) if signs.startswith("#") else -len(signs)
        pitch = MIDDLE_C + 12 * octave + PITCHES[letters[0].lower()] + sharp
        note = Note(spine, self.now, length, pitch, VELOCITY)
        self.written.add(note, bool({"_", "]"} & set(token)), bool({"[", "_"} & set(token)))

    def passages(self) -> list[Passage]:
        """List what is played, in order."""
        moments = [moment for _, moment in self.sections]
        spans = zip(moments, [*moments[1:], self.end], strict=False)
        sections = dict(zip([name for name, _ in self.sections], spans, strict=True))
        if self.order and all(name in sections for name in self.order):
            if len(self.order) > MOST_SECTIONS:
                self.written.mended.append(f"{len(self.order)} sections, more than are played")
            begin = (Fraction(0), moments[0])
            return [begin, *(sections[name] for name in self.order[:MOST_SECTIONS])]
        # The piece begins and ends without a line.
        lines = [(Fraction(0), ""), *self.lines, (self.end, "")]
        bars = [
            Bar(bool(FORWARD.search(before)), 2 if BACKWARD.search(after) else 0)
            for (_, before), (_, after) in pairwise(lines)
        ]
        return [(lines[bar][0], lines[bar + 1][0]) for bar in played(bars)]


def _length(digits: str, divisor: str | None, dots: str) -> Fraction:
    """Convert a duration, such as ``8.``, to quarter notes."""
    if digits.startswith("0"):
        whole = Fraction(2 ** len(digits))
    else:
        whole = Fraction(int(divisor or 1), int(digits))
    return WHOLE * whole * (2 - Fraction(1, 2 ** len(dots)))
