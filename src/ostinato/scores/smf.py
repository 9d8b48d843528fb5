"""Standard MIDI files as they are found: read as far as they go, and what was wrong is said.

The format is that of the MIDI 1.0 specification, "Standard MIDI Files" (RP-001). Files of old
sequencers, of transmissions that were cut off and of programs with errors break its rules in few
ways. Libraries that keep to the rules reject such files; players do not.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

HEADER, TRACK = b"MThd", b"MTrk"

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, META = 0x80, 0x90, 0xB0, 0xC0, 0xFF
"""Kinds of events: the upper half of the status byte of a channel message, or that of META."""

TEXTS = range(1, 8)
TEXT, TRACK_NAME, LYRIC = 0x01, 0x03, 0x05
END_OF_TRACK, TEMPO, TIME_SIGNATURE = 0x2F, 0x51, 0x58
"""Types of META events."""

DATA = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
"""Number of data bytes of a channel message, by its kind."""

SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""The same of system messages, by status; of others, none. Files should not contain them."""

SYSTEM_EXCLUSIVE = {0xF0, 0xF7}

BEFORE_HEADER = 256
"""A header is searched for in so many bytes: mail programs and the Macintosh wrote their own
before it, and RIFF files do."""

MOST_MENDED = 10

LARGEST = 2**28 - 1
"""The largest number of variable length."""

NTSC = 29
"""What a header says in place of the 29.97 frames a second of television."""


class NoMidi(Exception):
    """The bytes contain no MIDI file; the message is the reason."""


class Event(NamedTuple):
    """What a file tells to do at a tick.

    Attributes
    ----------
    tick : int
        Since the beginning of its track.
    kind : int
        `NOTE_OFF`, `NOTE_ON`, `CONTROL`, `PROGRAM` or `META`.
    number : int
        Channel, 0 to 15; of META, its type.
    data : bytes
        Data bytes, 0 to 127; of META, any.
    """

    tick: int
    kind: int
    number: int
    data: bytes


@dataclass
class MidiFile:
    """The content of a MIDI file.

    Attributes
    ----------
    format : int
        0 and 1: tracks sound together; 2: each is a piece of its own.
    ticks_per_beat : int
        Ticks in a quarter note; 0 if time is in seconds.
    ticks_per_second : float
        Ticks in a second if time is in seconds (SMPTE), otherwise 0.
    tracks : list of list of Event
        In the order of the file; ticks never decrease.
    lengths : list of int
        The tick at which each track ends.
    mended : dict of str to None
        What was wrong, each once, in the order of the file.
    """

    format: int
    ticks_per_beat: int
    ticks_per_second: float = 0.0
    tracks: list[list[Event]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    mended: dict[str, None] = field(default_factory=dict)

    def mend(self, what: str) -> None:
        """Note that something was wrong, of which so much is told that people may want to read."""
        if len(self.mended) < MOST_MENDED:
            self.mended[what] = None


def parse(data: bytes) -> MidiFile:
    """Read the bytes of a MIDI file.

    Chunks that are no tracks are left out, and so is what comes after the last track. A chunk whose
    length is wrong ends where its track does. Data bytes of more than 127 count as 127, but a note
    of such a pitch is left out. Where bytes mean nothing, the track ends.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    MidiFile

    Raises
    ------
    NoMidi
        If there is no header, no time base or no track.
    """
    begin = data.find(HEADER, 0, BEFORE_HEADER)
    if begin < 0:
        raise NoMidi("not a MIDI file (no MThd at its beginning)" if data else "0 bytes")
    header = data[begin + 8 : begin + 14]
    if len(header) < 6:
        raise NoMidi("the MIDI file ends in its header")
    kind, count, division = (int.from_bytes(header[i : i + 2]) for i in (0, 2, 4))
    file = MidiFile(kind, division)
    in_riff = data.startswith(b"RIFF") and data[begin - 8 : begin - 4] == b"data"
    if begin and not in_riff:
        file.mend(f"{begin} bytes before the header")
    if division >= 0x8000:
        frames, parts = 256 - (division >> 8), division & 0xFF
        rate = 30000 / 1001 if frames == NTSC else frames
        file.ticks_per_beat, file.ticks_per_second = 0, float(rate * parts)
    if not (file.ticks_per_beat or file.ticks_per_second):
        raise NoMidi("its time base is 0 ticks")
    size = int.from_bytes(data[begin + 4 : begin + 8])
    if size < 6 or not _is_chunk(data, begin + 8 + size):
        file.mend(f"the header says that it has {size} bytes")
        size = 6
    # In RIFF, other chunks follow, whose sizes are written the other way round.
    end = begin + int.from_bytes(data[begin - 4 : begin], "little") if in_riff else len(data)
    _read_chunks(file, data[:end], begin + 8 + size)
    if not file.tracks:
        raise NoMidi("a MIDI file without tracks")
    if count != len(file.tracks):
        file.mend(f"the header says {count} tracks, there are {len(file.tracks)}")
    return file


def _is_chunk(data: bytes, place: int) -> bool:
    """Whether a chunk, or nothing, begins at a place."""
    name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
    if name == TRACK or place == len(data):
        return True
    letters = len(name) == 4 and name.isascii() and name.decode().isprintable()
    return letters and place + 8 + size <= len(data)


def _read_chunks(file: MidiFile, data: bytes, place: int) -> None:
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8])
        begin, end = place + 8, place + 8 + size
        trusted = _is_chunk(data, place) and _is_chunk(data, end)
        following = data.find(TRACK, place + 1)
        if not data.startswith(TRACK, place):
            if trusted:
                place = end
            elif following >= 0:
                file.mend(f"{following - place} bytes between tracks")
                place = following
            else:
                if data[place:].strip(b"\0"):
                    file.mend(f"{len(data) - place} bytes after the last track")
                return
            continue
        if not trusted:
            end = following if following >= 0 else len(data)
        reader = _Track(file, data, begin, end)
        reader.read()
        file.tracks.append(reader.events)
        file.lengths.append(reader.tick)
        if trusted:
            place = end
        else:
            place = reader.place if reader.whole else end
            if reader.whole and reader.place != begin + size:
                file.mend(f"track {len(file.tracks)} says that it has {size} bytes")


class _Track:
    """Reads the events of one track, `read` from the first to the last.

    Attributes
    ----------
    events : list of Event
    tick, place : int
        Where it is, in time and in the file.
    whole : bool
        Whether the end of the track was there.
    """

    def __init__(self, file: MidiFile, data: bytes, begin: int, end: int):
        self.file, self.data, self.place, self.end = file, data, begin, end
        self.events: list[Event] = []
        self.tick, self.whole = 0, False

    def read(self) -> None:
        name = f"track {len(self.file.tracks) + 1}"
        try:
            self._read()
        except IndexError:
            self.file.mend(f"{name} is cut off after tick {self.tick}")
            return
        except ValueError as error:
            self.file.mend(f"{name} cannot be read after tick {self.tick}: {error}")
            return
        if not self.whole:
            self.file.mend(f"{name} has no end")

    def _read(self) -> None:
        data, running = self.data, 0
        while self.place < self.end and not self.whole:
            tick = self.tick + self._number()
            status = self._byte()
            if status < 0x80:
                if not running:
                    raise ValueError(f"byte {status:#04x} where an event should begin")
                status, self.place = running, self.place - 1
            if status < 0xF0:
                running = status
                self._channel(status, tick)
            elif status == META:
                kind, size = self._byte(), self._number()
                content = self._bytes(size)
                if kind == END_OF_TRACK:
                    self.whole = True
                else:
                    self.events.append(Event(tick, META, kind, content))
            elif status in SYSTEM_EXCLUSIVE:
                begin, size = self.place, self._number()
                if self.place + size > self.end:
                    # Its length is missing: it ends where all such messages do.
                    last = data.find(b"\xf7", begin, self.end)
                    if last < 0:
                        raise IndexError
                    self.file.mend("a system exclusive message without a length")
                    self.place = last + 1
                else:
                    self.place += size
            else:
                self.file.mend("system messages between events")
                self.place += SYSTEM_DATA.get(status, 0)
            # Only now: a time that leads to nothing means nothing.
            self.tick = tick

    def _channel(self, status: int, tick: int) -> None:
        kind, channel = status & 0xF0, status & 0x0F
        content = self._bytes(DATA[kind])
        if max(content) > 127:
            self.file.mend("data bytes over 127")
            if kind in (NOTE_ON, NOTE_OFF) and content[0] > 127:
                return
            content = bytes(min(each, 127) for each in content)
        self.events.append(Event(tick, kind, channel, content))

    def _byte(self) -> int:
        if self.place >= self.end:
            raise IndexError
        self.place += 1
        return self.data[self.place - 1]

    def _bytes(self, size: int) -> bytes:
        if self.place + size > self.end:
            raise IndexError
        self.place += size
        return self.data[self.place - size : self.place]

    def _number(self) -> int:
        """Read a number of variable length: seven bits a byte, the last one below 128."""
        value, byte = 0, 0x80
        while byte >= 0x80:
            byte = self._byte()
            value = value << 7 | byte & 0x7F
            if value > LARGEST:
                raise ValueError("a number of more than four bytes")
        return value
