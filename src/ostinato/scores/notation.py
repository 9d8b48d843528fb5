"""Reading music notation with music21: MusicXML, ABC and Humdrum files, and built-in corpora."""

import contextlib
import re
import warnings
import zipfile
from pathlib import Path

import music21
import numpy as np

from ostinato.scores.score import (
    NOTE,
    TICKS_PER_BEAT,
    Metre,
    Part,
    Score,
    Tempo,
    UnreadableScore,
    tidy,
)

SUFFIXES = {".xml", ".mxl", ".musicxml", ".abc", ".krn"}
MAX_BYTES = 5_000_000
"""Larger files are rejected: music21 needs about a hundred times their size in memory."""
VELOCITY = 80
BPM = 100.0
"""The velocity and the tempo, in quarter notes per minute, if the notation gives none."""

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

    Pieces are read as they sound: repeats are played out (unless repeat signs contradict each
    other), tied notes become one note, and a piece that begins with a pickup gets a rest before it.
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
        When the file is empty or too large.
    """
    size = _size(path)
    if size == 0:
        raise UnreadableScore("0 bytes")
    if size > MAX_BYTES:
        raise UnreadableScore(f"{size:,} bytes of notation, more than {MAX_BYTES:,}")
    if path.suffix.lower() == ".abc":
        # Each tune is parsed by itself, so that an error in one does not affect the others. Fields
        # before the first tune apply to all.
        text = path.read_bytes().decode("utf-8", "replace")
        head, *tunes = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
        return [_read(head + tune, "abc") for tune in tunes or [""]]
    return [_read(path, None)]


def read_abc(tune: str) -> Score | UnreadableScore:
    """Read the text of one ABC tune; see `read_notation`."""
    return _read(tune, "abc")


def _size(path: Path) -> int:
    """The size of a file in bytes; if it is compressed, the size of its uncompressed content."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    return path.stat().st_size


def _read(source: Path | str, kind: str | None) -> Score | UnreadableScore:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Neither read nor write pickles, which music21 would keep in the system's /tmp.
            parsed = music21.converter.parse(
                source, format=kind, forceSource=True, storePickle=False
            )
            return _score(parsed)
    # As for MIDI: whatever the parser raises is a reason to reject this piece.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        return UnreadableScore(f"music21: {type(error).__name__}: {reason}")


def _score(source: music21.stream.Score) -> Score:
    heard = source
    # music21 cannot expand repeats if a part has no bars, as in very short tunes.
    if source.parts and all(
        part.getElementsByClass(music21.stream.Measure) for part in source.parts
    ):
        for part in source.parts:
            _begin_repeats(part)
        # If repeat signs contradict each other, take the piece as it is written.
        with contextlib.suppress(music21.repeat.ExpanderException):
            heard = source.expandRepeats()
    parts = list(heard.parts) or [heard]
    rows: list[tuple[int, int, int, int, int]] = []
    for index, part in enumerate(parts):
        for element in part.flatten().stripTies().notes:
            if element.duration.isGrace or isinstance(element, music21.harmony.ChordSymbol):
                continue
            onset = _ticks(element.offset)
            length = _ticks(element.offset + element.quarterLength) - onset
            velocity = element.volume.velocity or VELOCITY
            pitches = [p.midi for p in element.pitches if 0 <= p.midi <= 127]
            rows += [(onset, length, pitch, velocity, index) for pitch in pitches]
    score = Score(
        tidy(np.array(rows, NOTE)),
        [_part(part) for part in parts],
        _metres(parts[0]),
        _tempi(heard),
        (source.metadata.title if source.metadata else None) or "",
    )
    return score.delayed(_ticks(_pickup_rest(parts[0])))


def _begin_repeats(part: music21.stream.Part) -> None:
    """Add the start-repeat signs that notation may leave out: those right after another repeat.

    Without them, music21 goes back to the beginning of the piece each time, through everything that
    was already repeated, so that each missing sign doubles the length of the piece.
    """
    last_times = {
        measure
        for bracket in part.recurse().getElementsByClass(music21.spanner.RepeatBracket)
        if min(bracket.numberRange) > 1
        for measure in bracket.getSpannedElements()
    }
    begin, ended = None, False
    for measure in part.getElementsByClass(music21.stream.Measure):
        left, right = measure.leftBarline, measure.rightBarline
        if isinstance(left, music21.bar.Repeat) and left.direction == "start":
            begin, ended = None, False
        elif ended and measure not in last_times:
            begin, ended = measure, False
        if isinstance(right, music21.bar.Repeat) and right.direction == "end":
            if begin is not None:
                begin.leftBarline = music21.bar.Repeat(direction="start")
            begin, ended = None, True


def _ticks(quarters: float) -> int:
    return int(float(quarters) * TICKS_PER_BEAT + 0.5)


def _part(part: music21.stream.Part) -> Part:
    program = part.getInstrument(returnDefault=True).midiProgram
    return Part(part.partName or "", program or 0)


def _metres(part: music21.stream.Part) -> list[Metre]:
    # After a bar of ABC that is too long, music21 inserts the same signature object once more.
    # In a flattened part it would appear only at its last position.
    signatures = part.recurse().getElementsByClass(music21.meter.TimeSignature)
    metres = [
        Metre(_ticks(signatures.currentHierarchyOffset()), s.numerator, s.denominator)
        for s in signatures
        # MIDI cannot represent other signatures; such bars keep the previous metre.
        if s.denominator.bit_count() == 1 and s.numerator < 256
    ]
    if not metres or metres[0].tick > 0:
        metres.insert(0, Metre(0, 4, 4))
    # When repeats are expanded, the same signature occurs again.
    return [m for i, m in enumerate(metres) if i == 0 or str(m) != str(metres[i - 1])]


def _tempi(score: music21.stream.Score) -> list[Tempo]:
    tempi = {0: BPM}
    for mark in score.flatten().getElementsByClass(music21.tempo.MetronomeMark):
        bpm = mark.getQuarterBPM()
        if bpm:
            tempi[_ticks(mark.offset)] = float(bpm)
    return [Tempo(tick, bpm) for tick, bpm in sorted(tempi.items())]


def _pickup_rest(part: music21.stream.Part) -> float:
    """The length of the rest that completes the first bar, in quarter notes."""
    first = part.getElementsByClass(music21.stream.Measure).first()
    if first is None:
        return 0.0
    if first.paddingLeft:
        return float(first.paddingLeft)
    return max(0.0, float(first.barDuration.quarterLength - first.duration.quarterLength))
