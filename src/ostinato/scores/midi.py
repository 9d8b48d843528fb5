"""Reading MIDI files of any origin, and writing our own."""

import io
import warnings
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi

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

MAX_BYTES = 2_000_000
"""Larger MIDI files are rejected: a parsed event takes about a kilobyte of memory."""

MAX_BEATS = int(pretty_midi.pretty_midi.MAX_TICK) // TICKS_PER_BEAT - 64
"""Longer scores are rejected (2.9 hours at 120 quarter notes per minute): pretty_midi cannot read
files of more than 10 million ticks. 64 beats are reserved for the rest before a pickup."""

DRUM_CHANNEL = 9


def read_midi(path: Path, pickup: bool = True) -> Score:
    """Read a MIDI file of any origin.

    Times are measured in beats, so tempo changes do not affect them.

    Parameters
    ----------
    path : Path
        The file.
    pickup : bool
        Whether to put a rest before a pickup, so that bars begin at multiples of a bar. A pickup is
        a first bar that is shorter than the second and has a time signature of its own, as
        sequencers write it. Our own files do not need this: they already contain the rest.

    Returns
    -------
    Score
        The notes, with the name of the first track as the title.

    Raises
    ------
    UnreadableScore
        When it is not a MIDI file, is damaged, or is too large or too long.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UnreadableScore(f"{size:,} bytes of MIDI, more than {MAX_BYTES:,}")
    data = path.read_bytes()
    if not data.startswith(b"MThd"):
        raise UnreadableScore("not a MIDI file (no MThd at its beginning)" if data else "0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pretty_midi's, about tempo events on later tracks
            file = mido.MidiFile(file=io.BytesIO(data))
            if file.ticks_per_beat <= 0:
                raise UnreadableScore("its time base is not in ticks a beat")
            midi = pretty_midi.PrettyMIDI(mido_object=file)
    except UnreadableScore:
        raise
    # Damaged bytes can make mido and pretty_midi raise anything: EOFError, KeyError, IndexError,
    # OSError, ValueError, ZeroDivisionError ... Each of these is a reason to reject this file.
    except Exception as error:
        raise UnreadableScore(f"damaged MIDI: {type(error).__name__}: {error}") from error
    score = _score(midi, file)
    return _with_whole_first_bar(score) if pickup else score


def _score(midi: pretty_midi.PrettyMIDI, file: mido.MidiFile) -> Score:
    def ticks(seconds: float) -> int:
        beats = midi.time_to_tick(seconds) / file.ticks_per_beat
        if beats > MAX_BEATS:
            raise UnreadableScore(f"{beats:,.0f} beats long, more than {MAX_BEATS:,}")
        return int(beats * TICKS_PER_BEAT + 0.5)

    rows = []
    for part, instrument in enumerate(midi.instruments):
        for note in instrument.notes:
            onset = ticks(note.start)
            rows.append((onset, ticks(note.end) - onset, note.pitch, note.velocity, part))
    signatures = sorted(midi.time_signature_changes, key=lambda s: s.time)
    metres = [Metre(ticks(s.time), s.numerator, s.denominator) for s in signatures]
    for metre in metres:
        if not (metre.beats and metre.unit) or metre.bar == 0:
            raise UnreadableScore(f"the time signature {metre} is none")
    if not metres or metres[0].tick > 0:
        metres.insert(0, Metre(0, 4, 4))
    times, bpms = midi.get_tempo_changes()
    tempi = [Tempo(ticks(t), float(bpm)) for t, bpm in zip(times, bpms, strict=True)]
    return Score(
        tidy(np.array(rows, NOTE)),
        [Part(i.name, i.program, i.is_drum) for i in midi.instruments],
        metres,
        tempi,
        file.tracks[0].name.strip() if file.tracks else "",
    )


def _with_whole_first_bar(score: Score) -> Score:
    metres = score.metres
    if len(metres) > 1 and metres[1].tick == metres[0].bar < metres[1].bar:
        full = Metre(0, metres[1].beats, metres[1].unit)
        rest = full.bar - metres[0].bar
        score = replace(score, metres=[full, *metres[2:]]).delayed(rest)
    return score


def midi_bytes(score: Score) -> bytes:
    """Encode a score as a MIDI file of format 1 with 480 ticks per quarter note.

    Parameters
    ----------
    score : Score
        Each part becomes a track. The first track contains the tempi and the time signatures.

    Returns
    -------
    bytes
        The content of the file, the same for the same score. ``read_midi(path, pickup=False)``
        reads the score back.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    conductor = [
        (m.tick, 0, mido.MetaMessage("time_signature", numerator=m.beats, denominator=m.unit))
        for m in score.metres
    ] + [
        (t.tick, 1, mido.MetaMessage("set_tempo", tempo=min(mido.bpm2tempo(t.bpm), 0xFFFFFF)))
        for t in score.tempi
    ]
    file.tracks.append(_track(score.title, conductor))
    melodic_channels = [c for c in range(16) if c != DRUM_CHANNEL]
    for index, part in enumerate(score.parts):
        channel = DRUM_CHANNEL if part.drums else melodic_channels[index % len(melodic_channels)]
        events = [(0, 0, mido.Message("program_change", channel=channel, program=part.program))]
        for note in score.notes[score.notes["part"] == index].tolist():
            onset, length, pitch, velocity, _ = note
            on = mido.Message("note_on", channel=channel, note=pitch, velocity=max(velocity, 1))
            off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
            events += [(onset, 2, on), (onset + length, 1, off)]
        file.tracks.append(_track(part.name, events))
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def _track(name: str, events: list[tuple[int, int, mido.Message]]) -> mido.MidiTrack:
    """Turn (tick, rank, message) into a track; at the same tick, lower ranks come first."""
    # Names in MIDI files are Latin-1; all other characters are written as "?".
    latin = name.encode("latin-1", "replace").decode("latin-1")
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=latin)] if latin else [])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
