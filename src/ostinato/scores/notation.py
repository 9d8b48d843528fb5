"""Reading music notation: MusicXML and ABC with music21, Humdrum, and built-in corpora."""

import codecs
import gc
import warnings
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, zip_longest
from pathlib import Path
from unittest.mock import patch

import music21
from music21.abcFormat import translate

from ostinato.scores import abc, musicxml
from ostinato.scores.charset import charset_of
from ostinato.scores.humdrum import read_humdrum
from ostinato.scores.repeats import Bar, played
from ostinato.scores.score import VELOCITY, Part, Score, UnreadableScore
from ostinato.scores.written import Note, Written, sounding

SUFFIXES = {".xml", ".mxl", ".musicxml", ".abc", ".krn"}
SNARE = 38
DRUMS = {
    "F4": 36,
    "C5": SNARE,
    "G5": 42,
    "A5": 51,
    "F5": 51,
    "D4": 44,
    "A4": 41,
    "D5": 47,
    "E5": 48,
}
"""General MIDI drums by their usual place on a staff with a treble clef."""

FOLKSONG_BOOKS = {"boehme10", "boehme20", "kinder0"}
"""Books of the Essen folk-song collection: 932 German popular songs and children's songs. Every
tune in these books has a metre (in others some have none, so bars would have to be guessed), and
few occur in several versions (which would put nearly the same song into training and test). Two
cores read them in half a minute; all 8,500 songs would take minutes."""


def chorale_files() -> list[Path]:
    """List the scores by J. S. Bach in the music21 package (not its harmonic analyses)."""
    return [p for p in music21.corpus.getComposer("bach") if p.suffix in SUFFIXES]


def folksong_files() -> list[Path]:
    """List the tune books of `FOLKSONG_BOOKS` in the music21 package."""
    return [p for p in music21.corpus.getComposer("essenFolksong") if p.stem in FOLKSONG_BOOKS]


def read_notation(path: Path) -> list[Score | UnreadableScore]:
    """Read a file of music notation.

    Pieces are read as they sound: repeats are played out, transposing instruments sound at their
    pitch, tied notes become one note, and a piece that begins with a pickup gets a rest before it.
    Grace notes, which have no duration of their own, are left out.

    Parameters
    ----------
    path : Path
        A file whose suffix is one of `SUFFIXES`.

    Returns
    -------
    list of Score or UnreadableScore
        Usually one; for an ABC tune book, one for each tune.

    Raises
    ------
    UnreadableScore
        When the file is empty or too large, or no notation.
    """
    size = path.stat().st_size
    if size == 0:
        raise UnreadableScore("0 bytes")
    if size > musicxml.MAX_BYTES:
        raise UnreadableScore(f"more than {musicxml.MAX_BYTES:,} bytes of notation")
    suffix = path.suffix.lower()
    if suffix == ".abc":
        # Each tune is parsed by itself, so that an error in one does not affect the others.
        return [read_abc(tune) for tune in abc.tunes(_text(path))]
    if suffix == ".krn":
        return [read_humdrum(_text(path))]
    return [_read(musicxml.readable(path), "musicxml")]


def _text(path: Path) -> str:
    """Read text of any charset, without a byte-order mark and with any line ends."""
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    return "\n".join(data.decode(charset_of([data]), "replace").splitlines())


def read_abc(tune: str) -> Score | UnreadableScore:
    """Read the text of one ABC tune; see `read_notation`."""
    try:
        abc.check(tune)
        return _read(abc.plain(tune), "abc")
    except UnreadableScore as error:
        return error


def _read(source: Path | str, kind: str | None) -> Score | UnreadableScore:
    # The garbage collector would look at the hundred thousand objects of a score again and again.
    collects = gc.isenabled()
    gc.disable()
    try:
        # For ABC, music21 takes minutes to find beams, and metres of bars that are too long.
        # Nobody needs the beams; for the metres, see `_add_long_bars`.
        with (
            warnings.catch_warnings(),
            patch.object(translate, "reBar"),
            patch.object(music21.stream.Stream, "makeBeams"),
        ):
            warnings.simplefilter("ignore")
            # music21 would keep what it has read in the system's /tmp.
            parsed = music21.converter.parse(
                source, format=kind, forceSource=True, storePickle=False
            )
            return _score(parsed, kind == "abc")
    except (UnreadableScore, MemoryError):
        raise
    # Damage can make the parser raise anything, which is a reason to reject this piece.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        return UnreadableScore(f"music21: {type(error).__name__}: {reason}")
    finally:
        if collects:
            gc.enable()


def _score(source: music21.stream.Score, is_abc: bool) -> Score:
    parts = list(source.parts) or [source]
    written = Written(title=(source.metadata.title if source.metadata else None) or "")
    for index, part in enumerate(parts):
        written.parts.append(_part(part))
        _add_notes(written, part, index)
    _add_metres(written, parts[0])
    if is_abc:
        _add_long_bars(written, list(parts[0].getElementsByClass(music21.stream.Measure)))
    for mark in source.flatten().getElementsByClass(music21.tempo.MetronomeMark):
        written.add_tempo(Fraction(mark.offset), float(mark.getQuarterBPM() or 0))
    written.pickup = _missing(parts[0])
    measures = [list(part.getElementsByClass(music21.stream.Measure)) for part in parts]
    lines = [Fraction(measure.offset) for measure in max(measures, key=len)]
    lines.append(max([Fraction(source.highestTime), *lines]))
    bars = [_bar(same) for same in zip_longest(*measures)]
    # Of several coda signs, all but the last say where to leave.
    for bar in [bar for bar in bars if bar.coda][:-1]:
        bar.coda, bar.to_coda = False, True
    # Music without bars, as in very short tunes, has no repeats.
    passages = [(lines[bar], lines[bar + 1]) for bar in played(bars)] or [(Fraction(0), lines[-1])]
    return sounding(written, passages)


def _add_notes(written: Written, part: music21.stream.Part, index: int) -> None:
    """Add the notes of a part as they sound."""
    transposed = _transpositions(part)
    for element in part.flatten().notes:
        if element.duration.isGrace or isinstance(element, music21.harmony.ChordSymbol):
            continue
        onset, length = Fraction(element.offset), Fraction(element.quarterLength)
        shift = next((shift for begin, shift in reversed(transposed) if begin <= onset), 0)
        velocity = element.volume.velocity or VELOCITY
        for each in getattr(element, "notes", [element]):
            note = Note(index, onset, length, _pitch(each, shift), velocity)
            tie = each.tie.type if each.tie else None
            written.add(note, tie in ("stop", "continue"), tie in ("start", "continue"))


def _transpositions(part: music21.stream.Part) -> list[tuple[Fraction, int]]:
    """List from when on a part sounds by how many semitones above what is written."""
    instruments = part.recurse().getElementsByClass(music21.instrument.Instrument)
    found = [
        (
            Fraction(instruments.currentHierarchyOffset()),
            round(each.transposition.semitones) if each.transposition else 0,
        )
        for each in instruments
    ]
    return sorted(found)


def _pitch(note: music21.note.NotRest, shift: int) -> int:
    """Find the MIDI pitch of a note, or which drum it is."""
    if isinstance(note, music21.note.Unpitched):
        drum = getattr(note.storedInstrument, "percMapPitch", None)
        return drum or DRUMS.get(note.displayName, SNARE)
    return note.pitch.midi + shift


def _bar(measures: Sequence[music21.stream.Measure | None]) -> Bar:
    """Find what stands at a bar, in whatever part."""
    bar = Bar()
    for measure in filter(None, measures):
        left, right = measure.leftBarline, measure.rightBarline
        bar.forward |= isinstance(left, music21.bar.Repeat) and left.direction == "start"
        if isinstance(right, music21.bar.Repeat) and right.direction == "end":
            bar.backward = max(bar.backward, right.times or 2)
        for bracket in measure.getSpannerSites(music21.spanner.RepeatBracket):
            bar.endings |= frozenset(bracket.numberRange)
        for mark in measure.getElementsByClass(music21.repeat.RepeatExpression):
            name = type(mark).__name__
            bar.segno |= name == "Segno"
            bar.coda |= name == "Coda"
            bar.fine |= name == "Fine"
            bar.da_capo |= name.startswith("DaCapo")
            bar.dal_segno |= name.startswith("DalSegno") or name == "AlSegno"
    return bar


def _part(part: music21.stream.Part) -> Part:
    program = part.getInstrument(returnDefault=True).midiProgram
    drums = part.recurse().getElementsByClass(music21.note.Unpitched).first() is not None
    return Part(part.partName or "", program or 0, drums)


def _add_metres(written: Written, part: music21.stream.Part) -> None:
    signatures = part.recurse().getElementsByClass(music21.meter.TimeSignature)
    for each in signatures:
        moment = Fraction(signatures.currentHierarchyOffset())
        written.add_metre(moment, each.numerator, each.denominator)


def _add_long_bars(written: Written, measures: Sequence[music21.stream.Measure]) -> None:
    """Where a bar is too long, give a metre to its rest, and to the next bar the old one again."""
    metre = None
    for measure, after in pairwise(measures):
        metre = measure.timeSignature or metre
        if metre is None:
            continue
        bar = Fraction(metre.barDuration.quarterLength)
        bars, rest = divmod(Fraction(measure.highestTime), bar)
        if bars and rest:
            moment = Fraction(measure.offset) + bars * bar
            written.add_metre(moment, rest.numerator, 4 * rest.denominator)
            if (begin := Fraction(after.offset)) not in written.metres:
                written.add_metre(begin, metre.numerator, metre.denominator)


def _missing(part: music21.stream.Part) -> Fraction:
    """Compute by how much the first bar is shorter than its metre says, in quarters."""
    first = part.getElementsByClass(music21.stream.Measure).first()
    if first is None:
        return Fraction(0)
    if first.paddingLeft:
        return Fraction(first.paddingLeft)
    missing = first.barDuration.quarterLength - first.duration.quarterLength
    return max(Fraction(0), Fraction(missing))
