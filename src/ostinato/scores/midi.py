"""Reading MIDI files of any origin, and writing our own."""

import io
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mido

from ostinato.scores import smf
from ostinato.scores.charset import charset_of, decode
from ostinato.scores.score import (
    TICKS_PER_BEAT,
    Metre,
    Part,
    Score,
    Tempo,
    UnreadableScore,
    check_length,
    note_array,
    tidy,
)

MAX_BYTES = 2_000_000
"""Larger MIDI files are rejected. The longest symphonies have a tenth of it."""

DRUM_CHANNEL = 9

BPM = 120.0
"""Quarter notes per minute if a file does not say."""

SHORTEST = 7
"""Time signatures of beats shorter than a 128th (2 to the power of 7) are none."""

SEQUENTIAL = 2
"""The format of files whose tracks are pieces of their own."""

SHORTLY = TICKS_PER_BEAT // 8
"""Ticks after the beginning that are taken for the beginning."""

ALL_OFF = {120, *range(123, 128)}
"""Controllers that end all notes of a channel: all sound off, all notes off, changes of mode."""

KARAOKE_TITLE = b"@T"
"""What texts of karaoke files begin with that are titles."""


class Strike(NamedTuple):
    """A note in the ticks of its track; `end` is None if nothing ends it, and nothing follows."""

    onset: int
    end: int | None
    channel: int
    program: int
    pitch: int
    velocity: int


Programs = dict[int, list[tuple[int, int]]]
"""For each channel, at which ticks which program begins, in order."""


def read_midi(path: Path, pickup: bool = True) -> Score:
    """Read a MIDI file of any origin; what is wrong with it is mended as far as it goes.

    Times are measured in beats, so tempo changes do not affect them. Tempi and time signatures
    count on whatever track they are. Each program of each channel of a track is a part.

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
        When it is not a MIDI file, or is too large or too long.
    """
    _check_size(path.stat().st_size)
    score = from_bytes(path.read_bytes())
    return _with_whole_bars(score) if pickup else score


def from_bytes(data: bytes) -> Score:
    """Read the content of a MIDI file, pickups as they are; otherwise like `read_midi`."""
    _check_size(len(data))
    try:
        return _score(smf.parse(data))
    except smf.NoMidi as error:
        raise UnreadableScore(str(error)) from error


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise UnreadableScore(f"{size:,} bytes of MIDI, more than {MAX_BYTES:,}")


def _score(file: smf.MidiFile) -> Score:
    texts = (e.data for track in file.tracks for e in track if _is_meta(e, *smf.TEXTS))
    charset = charset_of(texts)
    begins, programs = _begins(file), _programs(file.tracks)
    rows: list[tuple[int, int, int, int, int]] = []
    parts: list[Part] = []
    metres: dict[int, Metre] = {}
    tempi = {0: Tempo(0, BPM)}
    for number, events in enumerate(file.tracks):
        # Tracks of format 2 have nothing in common.
        elsewhere = {} if file.format == SEQUENTIAL else programs
        names = (decode(e.data, charset) for e in events if _is_meta(e, smf.TRACK_NAME))
        name = next(names, "")

        def tick(now: int, begin: int = begins[number]) -> int:
            return begin + _rounded(file, now)

        numbers: dict[tuple[int, int], int] = {}
        for strike in _strikes(events, file.lengths[number], elsewhere):
            key = strike.channel, strike.program
            if key not in numbers:
                numbers[key] = len(parts)
                parts.append(Part(name, strike.program, strike.channel == DRUM_CHANNEL))
            onset = tick(strike.onset)
            end = onset + TICKS_PER_BEAT if strike.end is None else tick(strike.end)
            rows.append((onset, end - onset, strike.pitch, strike.velocity, numbers[key]))
        for event in events:
            if not _is_meta(event, smf.TIME_SIGNATURE, smf.TEMPO):
                continue
            now = tick(event.tick)
            if event.number == smf.TIME_SIGNATURE:
                beats, power = (*event.data, 0, 0)[:2]
                metre = Metre(now, beats, 2 ** min(power, SHORTEST))
                if power <= SHORTEST and metre.bar:
                    metres[now] = metre
                else:
                    file.mend(f"a time signature of {beats} beats of 1/2^{power}")
            elif file.ticks_per_beat:
                microseconds = int.from_bytes(event.data[:3])
                if microseconds and len(event.data) >= 3:
                    tempi[now] = Tempo(now, 60e6 / microseconds)
                else:
                    file.mend("a tempo of no time")
    # A bar of one beat is what programs write that know of beats alone.
    known = any(metre.beats > 1 for metre in metres.values())
    return Score(
        tidy(note_array(rows)),
        parts,
        _metres(metres, min((row[0] for row in rows), default=0)),
        [tempi[now] for now in sorted(tempi)],
        _title(file, charset),
        tuple(file.mended),
        known,
    )


def _metres(found: dict[int, Metre], first: int) -> list[Metre]:
    """Put time signatures in order, without those that change nothing.

    Parameters
    ----------
    found : dict of int to Metre
        By their ticks.
    first : int
        The tick of the first note: a signature shortly after the beginning, but before all notes,
        is that of the beginning.
    """
    metres = [found[tick] for tick in sorted(found)]
    if not metres or metres[0].tick > min(first, SHORTLY):
        metres.insert(0, Metre(0, 4, 4))
    metres[0] = replace(metres[0], tick=0)
    changes = metres[:1]
    for metre in metres[1:]:
        last = changes[-1]
        # The same one again begins a new bar if it comes in the middle of one.
        if str(metre) != str(last) or (metre.tick - last.tick) % last.bar:
            changes.append(metre)
    return changes


def _is_meta(event: smf.Event, *types: int) -> bool:
    return event.kind == smf.META and event.number in types


def _rounded(file: smf.MidiFile, tick: int) -> int:
    """Convert ticks of a file to those of a score, halves rounded up."""
    if file.ticks_per_beat:
        beats = tick, file.ticks_per_beat
    else:
        beats = (tick / file.ticks_per_second * BPM / 60).as_integer_ratio()
    check_length(beats[0] / beats[1])
    # In whole numbers: a song has thousands of these, and a Fraction takes 20 times as long.
    return (2 * beats[0] * TICKS_PER_BEAT + beats[1]) // (2 * beats[1])


def _begins(file: smf.MidiFile) -> list[int]:
    """Find where the tracks begin, in ticks of a score: one after the other in format 2."""
    if file.format > SEQUENTIAL:
        file.mend(f"format {file.format}, read as format 1")
    if file.format != SEQUENTIAL or len(file.tracks) == 1:
        return [0] * len(file.tracks)
    file.mend(f"{len(file.tracks)} patterns (format 2), read one after the other")
    begins = [0]
    for length in file.lengths:
        beats = -(-_rounded(file, length) // TICKS_PER_BEAT)
        begins.append(begins[-1] + beats * TICKS_PER_BEAT)
        check_length(begins[-1] / TICKS_PER_BEAT)
    return begins[:-1]


def _programs(tracks: Sequence[Sequence[smf.Event]]) -> Programs:
    """List the changes of program of each channel, whatever the track: tick and program."""
    found: Programs = defaultdict(list)
    for event in (event for events in tracks for event in events):
        if event.kind == smf.PROGRAM:
            found[event.number].append((event.tick, event.data[0]))
    return {channel: sorted(changes) for channel, changes in found.items()}


def _strikes(events: Sequence[smf.Event], end: int, programs: Programs) -> list[Strike]:
    """Find the notes of a track.

    A release ends the first strike of its key that still sounds. What is never released ends with
    the first release after it, though that ended an earlier one, or with the track; in a channel
    without any release, with the next strike.

    Parameters
    ----------
    events : sequence of Event
    end : int
        The tick at which the track ends.
    programs : dict
        From `_programs`, for channels to which this track gives none.
    """
    own: dict[int, int] = {}
    sounding: dict[tuple[int, int], list[Strike]] = defaultdict(list)
    releases: dict[tuple[int, int], list[int]] = defaultdict(list)
    found = []
    for event in events:
        channel, tick = event.number, event.tick
        if event.kind == smf.PROGRAM:
            own[channel] = event.data[0]
        elif event.kind == smf.CONTROL and event.data[0] in ALL_OFF:
            for key in [key for key in sounding if key[0] == channel]:
                releases[key].append(tick)
                found += [strike._replace(end=tick) for strike in sounding.pop(key)]
        elif event.kind == smf.NOTE_ON and event.data[1]:
            pitch, velocity = event.data
            program = own.get(channel, _at(programs.get(channel, []), tick))
            strike = Strike(tick, None, channel, program, pitch, velocity)
            sounding[channel, pitch].append(strike)
        elif event.kind in (smf.NOTE_ON, smf.NOTE_OFF):
            key = channel, event.data[0]
            releases[key].append(tick)
            if sounding[key]:
                found.append(sounding[key].pop(0)._replace(end=tick))
    released = {channel for channel, _ in releases}
    left = [strike for strikes in sounding.values() for strike in strikes]
    onsets = sorted({strike.onset for strike in left})
    for strike in left:
        ends = releases[strike.channel, strike.pitch] if strike.channel in released else onsets
        after = bisect_right(ends, strike.onset)
        stop = ends[after] if after < len(ends) else end
        found.append(strike._replace(end=stop if stop > strike.onset else None))
    return sorted(found, key=lambda strike: strike.onset)


def _at(changes: list[tuple[int, int]], tick: int) -> int:
    """Find which program a channel has at a tick."""
    place = bisect_right(changes, tick, key=lambda change: change[0])
    return changes[place - 1][1] if place else 0


def _title(file: smf.MidiFile, charset: str) -> str:
    """Find the title: in karaoke files, a text that says so; otherwise the first track's name."""
    if not file.tracks:
        return ""
    texts = [e.data for track in file.tracks for e in track if _is_meta(e, smf.TEXT, smf.LYRIC)]
    titles = [text[len(KARAOKE_TITLE) :] for text in texts if text.startswith(KARAOKE_TITLE)]
    titles += [e.data for e in file.tracks[0] if _is_meta(e, smf.TRACK_NAME)]
    return decode(titles[0], charset) if titles else ""


def _with_whole_bars(score: Score) -> Score:
    """Complete the bar of a pickup with a rest, and the last one, which pays it back, as well."""
    metres = score.metres
    if len(metres) > 1 and metres[1].tick == metres[0].bar < metres[1].bar:
        full = Metre(0, metres[1].beats, metres[1].unit)
        pickup, rest = metres[0].bar, full.bar - metres[0].bar
        metres = [full, *metres[2:]]
        last = metres[-1]
        before = metres[-2] if len(metres) > 1 else full
        if (
            last is not full
            and last.bar + pickup == before.bar
            and score.end <= last.tick + last.bar
        ):
            metres = metres[:-1]
        score = replace(score, metres=metres).delayed(rest)
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
        The content of the file, the same for the same score. `from_bytes` reads the score back.

    Raises
    ------
    ValueError
        When a note has a pitch or a velocity over 127.
    """
    for name in ("pitch", "velocity"):
        if score.notes[name].max(initial=0) > 127:
            raise ValueError(f"a note has a {name} of {score.notes[name].max()}")
    # Checked here for all notes: mido takes twice as long for checking each as for writing it.
    message = partial(mido.Message, skip_checks=True, time=0)
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
            on = message("note_on", channel=channel, note=pitch, velocity=max(velocity, 1))
            off = message("note_off", channel=channel, note=pitch, velocity=0)
            events += [(onset, 2, on), (onset + length, 1, off)]
        file.tracks.append(_track(part.name, events))
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def _track(name: str, events: list[tuple[int, int, mido.Message]]) -> mido.MidiTrack:
    """Turn (tick, rank, message) into a track; at the same tick, lower ranks come first."""
    # mido writes texts as Latin-1; this makes them UTF-8, which `charset_of` recognises.
    text = name.encode().decode("latin-1")
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=text)] if text else [])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        message.time = tick - now
        track.append(message)
        now = tick
    return track
