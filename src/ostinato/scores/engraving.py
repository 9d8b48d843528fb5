"""Writing notation: MusicXML with voices, key, metre and tempo, by music21."""

import math
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import music21
import numpy as np

from ostinato.core.errors import UserError
from ostinato.scores.grid import STEPS, STRAIGHT, find_grid, without_swing
from ostinato.scores.parts import instrument
from ostinato.scores.score import PICKUP, TICKS_PER_BEAT, Score, step_spans

NAMES = ["F", "C", "G", "D", "A", "E", "B"]
"""The line of fifths, from which names of notes are chosen."""
BELOW = {"major": 4, "minor": 2}
"""How far the twelve names in use reach below the number of sharps of a key, in fifths."""


def musicxml_bytes(score: Score) -> bytes:
    """Write a score as MusicXML, for notation programs.

    Notes are put on the nearest step of a grid that suits them, since notation has no others.
    Where several notes of a part overlap, they are in several voices. If nothing is played at first
    in bar 1, it is written as a pickup. Swing is written straight. Drums are left out.

    Parameters
    ----------
    score : Score

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        If there is no such note.
    """
    if not len(score.pitched):
        raise UserError("MusicXML is written of notes that have pitch, and there are none")
    grid = find_grid(score.pitched["onset"])
    if grid and grid.swing != STRAIGHT:
        score = without_swing(score, grid.swing, grid.unit)
    steps = math.lcm(STEPS[0], grid.steps if grid else STEPS[0])
    written = music21.stream.Score()
    written.insert(0, music21.metadata.Metadata(title=score.title or "Ostinato"))
    # Nobody knows who composed it; without this, it would be music21.
    music21.defaults.author = ""
    parts = [_part(score, part, steps) for part in np.unique(score.pitched["part"]).tolist()]
    for part in parts:
        written.insert(0, part)
    key = written.analyze("key")
    first, *_ = parts
    for tempo in score.tempi:
        mark = music21.tempo.MetronomeMark(number=round(tempo.bpm, 2))
        first.insert(Fraction(tempo.tick, TICKS_PER_BEAT), mark)
    end = max(part.highestTime for part in parts)
    pickup = min(note.getOffsetInHierarchy(part) for part in parts for note in part.recurse().notes)
    for part in parts:
        part.insert(0, music21.key.Key(key.tonic, key.mode))
        for note in part.recurse().notes:
            for pitch in note.pitches:
                _spell(pitch, key)
        part.makeMeasures(inPlace=True, refStreamOrTimeRange=[0, end])
        part.makeTies(inPlace=True)
        for measure in part.getElementsByClass("Measure"):
            _rest(measure)
        _pick_up(part, pickup)
        part.makeNotation(inPlace=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.musicxml"
        written.write("musicxml", path)
        return path.read_bytes()


def _part(score: Score, number: int, steps: int) -> music21.stream.Part:
    """Write a part, its notes in as many voices as it takes."""
    about, notes = score.parts[number], score.notes[score.notes["part"] == number]
    part = music21.stream.Part()
    part.partName = about.name or instrument(about)
    part.partAbbreviation = " ".join(
        word if word.isdecimal() else f"{word[0]}." for word in part.partName.split()
    )
    sound = music21.instrument.instrumentFromMidiProgram(about.program)
    # By default, they are other ones each time.
    part.id = sound.partId = f"P{number + 1}"
    sound.instrumentId = f"I{number + 1}"
    part.insert(0, sound)
    for metre in score.metres:
        signature = music21.meter.TimeSignature(str(metre))
        part.insert(Fraction(metre.tick, TICKS_PER_BEAT), signature)
    begins, ends = step_spans(notes["onset"], notes["onset"] + notes["length"], steps)
    rows = zip(begins.tolist(), ends.tolist(), notes["pitch"].tolist(), strict=True)
    voices = _voices(rows)
    for voice in voices:
        into = part if len(voices) == 1 else music21.stream.Voice()
        for (begin, end), pitches in voice:
            chord = len(pitches) > 1
            note = music21.chord.Chord(pitches) if chord else music21.note.Note(pitches[0])
            note.duration = music21.duration.Duration(Fraction(end - begin, steps))
            into.insert(Fraction(begin, steps), note)
        if into is not part:
            part.insert(0, into)
    return part


Chord = tuple[tuple[int, int], list[int]]
"""When it begins and ends, in steps, and its pitches."""


def _voices(notes: Iterable[tuple[int, int, int]]) -> list[list[Chord]]:
    """Divide notes among voices, each of which has a note or a chord at a time."""
    chords: dict[tuple[int, int], list[int]] = {}
    for begin, end, pitch in notes:
        chords.setdefault((begin, end), []).append(pitch)
    voices: list[list[Chord]] = []
    # Of those that begin together, the highest comes first.
    for times, pitches in sorted(chords.items(), key=lambda each: (each[0][0], -max(each[1]))):
        for voice in voices:
            if voice[-1][0][1] <= times[0]:
                break
        else:
            voices.append(voice := [])
        voice.append((times, sorted(set(pitches))))
    return voices


def _rest(measure: music21.stream.Measure) -> None:
    """Write rests into a measure: all of those of its first voice, and hidden ones of others."""
    for voice in list(measure.voices):
        if not voice.notes:
            measure.remove(voice)
    if len(measure.voices) == 1:
        measure.flattenUnnecessaryVoices(inPlace=True, force=True)
    measure.makeRests(inPlace=True, fillGaps=True, timeRangeFromBarDuration=True)
    for voice in list(measure.voices)[1:]:
        for rest in voice.getElementsByClass("Rest"):
            rest.style.hideObjectOnPrint = True


def _pick_up(part: music21.stream.Part, silence: Fraction) -> None:
    """Leave out the silence with which the first measure begins, in quarter notes."""
    first, *others = list(part.getElementsByClass("Measure"))
    if not PICKUP <= silence / first.barDuration.quarterLength < 1:
        return
    for stream in first.voices or [first]:
        rest = stream.getElementsByClass("Rest")[0]
        if rest.duration.quarterLength == silence:
            stream.remove(rest)
        else:
            rest.duration.quarterLength -= silence
        for each in stream.notesAndRests:
            if each.offset >= silence:
                stream.setElementOffset(each, each.offset - silence)
    first.paddingLeft = silence
    first.number = 0
    first.showNumber = music21.stream.enums.ShowNumber.NEVER
    for number, measure in enumerate(others, 1):
        measure.number = number
        part.setElementOffset(measure, measure.offset - silence)


def _spell(pitch: music21.pitch.Pitch, key: music21.key.Key) -> None:
    """Name a pitch as is usual in a key."""
    lowest = key.sharps - BELOW[key.mode]
    fifths = lowest + (7 * pitch.pitchClass - lowest) % 12
    letter, accidental = NAMES[(fifths + 1) % 7], (fifths + 1) // 7
    octave = (pitch.midi - accidental) // 12 - 1
    pitch.name = letter + ("#" * accidental if accidental > 0 else "-" * -accidental)
    pitch.octave = octave
