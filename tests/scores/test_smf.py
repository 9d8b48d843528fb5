"""Damaged and unusual MIDI files: read as far as they go, and what was wrong is said."""

from pathlib import Path

import pytest

from ostinato.scores.midi import read_midi
from ostinato.scores.score import Score, UnreadableScore

BEAT = 96
TUNE = [60, 62, 64, 65, 67, 69, 71, 72]


def number(value: int) -> bytes:
    """A number of variable length."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))


def meta(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + number(len(data)) + data


def on(pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0) -> bytes:
    return bytes([0x80 | channel, pitch, 0])


END = meta(0x2F, b"")
BPM_100 = meta(0x51, (600_000).to_bytes(3))


def metre(beats: int, power: int) -> bytes:
    return meta(0x58, bytes([beats, power, 24, 8]))


def events(*timed: tuple[int, bytes]) -> bytes:
    """Events at ticks, in order."""
    data, now = b"", 0
    for tick, event in timed:
        data, now = data + number(tick - now) + event, tick
    return data


def chunk(data: bytes, name: bytes = b"MTrk", size: int | None = None) -> bytes:
    return name + (len(data) if size is None else size).to_bytes(4) + data


def midi(*tracks: bytes, kind: int = 1, count: int | None = None, base: int = BEAT) -> bytes:
    """A file of tracks without their headers."""
    numbers = kind, len(tracks) if count is None else count, base
    header = chunk(b"".join(each.to_bytes(2) for each in numbers), b"MThd")
    return header + b"".join(map(chunk, tracks))


def tune(*first: bytes, end: bytes = b"\0" + END, base: int = BEAT, channel: int = 0) -> bytes:
    """Eight quarter notes after events at the beginning."""
    struck = [(i * base, on(pitch, channel=channel)) for i, pitch in enumerate(TUNE)]
    released = [((i + 1) * base, off(pitch, channel)) for i, pitch in enumerate(TUNE)]
    # Releases come first at the same tick.
    order = sorted(released + struck, key=lambda event: event[0])
    return events(*((0, each) for each in first), *order) + end


def read(data: bytes, folder: Path, pickup: bool = True) -> Score:
    path = folder / "song.mid"
    path.write_bytes(data)
    return read_midi(path, pickup)


CONDUCTOR = events((0, metre(3, 2)), (0, BPM_100)) + b"\0" + END
WHOLE = midi(CONDUCTOR, tune())
HEADER = 14
ALIEN = chunk(b"\1\2\3\4\5", b"XFIH")
SYSTEM = [bytes([status, *[1] * count]) for status, count in ((0xF1, 1), (0xF2, 2), (0xF3, 1))]
SYSTEM += [bytes([status]) for status in (0xF4, 0xF5, 0xF6, *range(0xF8, 0xFF))]

KINDS = {
    "nothing is wrong": (WHOLE, ""),
    "a finer time base": (midi(CONDUCTOR, tune(base=32_767), base=32_767), ""),
    "MIDI in RIFF": (
        b"RIFF" + (len(WHOLE) + 12).to_bytes(4, "little") + b"RMIDdata"
        + len(WHOLE).to_bytes(4, "little") + WHOLE,
        "",
    ),
    "a Macintosh header": (b"\0\4song" + bytes(122) + WHOLE, "128 bytes before the header"),
    "no end of the track": (midi(CONDUCTOR, tune(end=b"")), "track 2 has no end"),
    "the last byte missing": (WHOLE[:-1], "track 2 is cut off"),
    "zeros after the end": (WHOLE + bytes(40), ""),
    "junk after the end": (WHOLE + b"junk!", "5 bytes after the last track"),
    "too many tracks promised": (midi(CONDUCTOR, tune(), count=3), "the header says 3 tracks"),
    "too few tracks promised": (midi(CONDUCTOR, tune(), count=1), "the header says 1 tracks"),
    "a track that says it is longer": (
        WHOLE[:HEADER] + chunk(CONDUCTOR, size=5_000) + chunk(tune()),
        "track 1 says that it has 5000 bytes",
    ),
    "a track that says it is shorter": (
        WHOLE[:HEADER] + chunk(CONDUCTOR) + chunk(tune(), size=11),
        "track 2 says that it has 11 bytes",
    ),
    "a longer header": (
        b"MThd" + (8).to_bytes(4) + WHOLE[8:HEADER] + b"\0\0" + WHOLE[HEADER:], "",
    ),
    "a header that says it is longer": (
        b"MThd" + (900).to_bytes(4) + WHOLE[8:], "the header says that it has 900 bytes",
    ),
    "an alien chunk": (
        WHOLE[:HEADER] + ALIEN + chunk(CONDUCTOR) + ALIEN + chunk(tune()) + ALIEN, "",
    ),
    "bytes between tracks": (
        WHOLE[:HEADER] + chunk(CONDUCTOR) + b"\1\2" + chunk(tune()), "bytes between tracks",
    ),
    "an impossible key": (midi(CONDUCTOR, tune(meta(0x59, b"\xee\1"))), ""),
    "an impossible tempo": (midi(CONDUCTOR, tune(meta(0x51, bytes(3)))), "a tempo of no time"),
    "half a tempo": (midi(CONDUCTOR, tune(meta(0x51, b"\1"))), "a tempo of no time"),
    "no beats in a bar": (midi(CONDUCTOR, tune(metre(0, 2))), "a time signature of 0 beats"),
    "beats without end": (midi(CONDUCTOR, tune(metre(4, 200))), "a time signature of 4 beats"),
    "a controller over 127": (midi(CONDUCTOR, tune(b"\xb0\7\xff")), "data bytes over 127"),
    "a pitch over 127": (midi(CONDUCTOR, tune(on(200))), "data bytes over 127"),
    "system messages": (midi(CONDUCTOR, tune(*SYSTEM)), "system messages between events"),
    "system exclusive messages": (
        midi(CONDUCTOR, tune(b"\xf0\5\x7e\x7f\t\1\xf7", b"\xf7\1\1")), "",
    ),
    "one without a length": (
        midi(CONDUCTOR, tune(b"\xf0\x7e\x7f\t\1\xf7")), "a system exclusive message without",
    ),
    "tempo and metre on another track": (
        midi(b"\0" + END, tune(metre(3, 2), BPM_100)), "",
    ),
    "garbage in another track": (
        midi(CONDUCTOR, tune(), b"\0\1\2\3" + b"\0" + END), "track 3 cannot be read after tick 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_programs_get_wrong_is_mended(tmp_path, kind):
    data, mended = KINDS[kind]
    score = read(data, tmp_path)
    expected = [(480 * i, 480, pitch) for i, pitch in enumerate(TUNE)]
    assert score.notes[["onset", "length", "pitch"]].tolist() == expected
    assert (score.metre, [tempo.bpm for tempo in score.tempi]) == ("3/4", [100.0])
    assert mended in " | ".join(score.mended)
    assert bool(score.mended) == bool(mended)


def test_running_status_goes_on_after_other_events(tmp_path):
    first, second = b"\0\x90\x3c\x50\x60\x3c\0", b"\0\x3e\x50\x60\x3e\0"
    for between in (b"", b"\0\xff\1\1x", b"\0\xf0\1\xf7"):
        score = read(midi(first + between + second + b"\0" + END), tmp_path)
        assert score.notes[["onset", "length", "pitch"]].tolist() == [(0, 480, 60), (480, 480, 62)]


def test_a_track_is_read_until_it_is_cut_off(tmp_path):
    last = 4 + 4 + 4  # the last note and its release, and the end of the track
    for bytes_left, notes in ((-last + 1, 7), (-last + 4, 8), (-last + 6, 8)):
        score = read(WHOLE[:bytes_left], tmp_path)
        assert score.notes["pitch"].tolist() == TUNE[:notes]
        assert score.notes["length"].tolist() == [480] * notes  # without a release: one beat
        assert "track 2" in " ".join(score.mended)


def test_time_in_seconds_is_read_at_120_beats_a_minute(tmp_path):
    frames, parts = 25, 40  # 1000 ticks a second
    score = read(midi(tune(base=500), base=(256 - frames) << 8 | parts), tmp_path)
    assert score.notes["onset"].tolist() == list(range(0, 3840, 480))
    assert [tempo.bpm for tempo in score.tempi] == [120.0]


def test_patterns_of_format_2_follow_each_other(tmp_path):
    score = read(midi(tune(), tune(), kind=2), tmp_path)
    assert score.notes["onset"].tolist() == list(range(0, 7680, 480))
    assert score.mended == ("2 patterns (format 2), read one after the other",)


def test_a_release_ends_the_strike_that_sounds_longest(tmp_path):
    struck = (0, on(60)), (BEAT, on(60)), (2 * BEAT, off(60)), (3 * BEAT, off(60))
    score = read(midi(events(*struck) + b"\0" + END), tmp_path)
    assert score.notes[["onset", "length"]].tolist() == [(0, 480), (480, 960)]


def test_one_release_for_two_strikes_ends_both(tmp_path):
    struck = (0, on(60)), (BEAT, on(60)), (2 * BEAT, off(60)), (9 * BEAT, END)
    score = read(midi(events(*struck)), tmp_path)
    assert score.notes[["onset", "length"]].tolist() == [(0, 480), (480, 480)]


def test_what_is_never_released_sounds_until_the_track_ends(tmp_path):
    struck = (0, on(60)), (BEAT, off(60)), (BEAT, on(62)), (4 * BEAT, END)
    score = read(midi(events(*struck)), tmp_path)
    assert score.notes[["onset", "length"]].tolist() == [(0, 480), (480, 1440)]


def test_where_nothing_is_released_a_note_sounds_until_the_next(tmp_path):
    struck = (0, on(60)), (BEAT, on(62)), (BEAT, on(65)), (3 * BEAT, on(64)), (4 * BEAT, END)
    score = read(midi(events(*struck)), tmp_path)
    assert score.notes["length"].tolist() == [480, 960, 960, 480]


@pytest.mark.parametrize("controller", [120, 123, 126])
def test_all_notes_off_ends_the_notes_of_its_channel(tmp_path, controller):
    ends = bytes([0xB0, controller, 0])
    struck = (0, on(60)), (0, on(64, channel=1)), (BEAT, ends), (2 * BEAT, off(64, 1))
    score = read(midi(events(*struck, (4 * BEAT, END))), tmp_path)
    assert score.notes[["length", "pitch"]].tolist() == [(480, 60), (960, 64)]


def test_each_program_of_each_channel_is_a_part(tmp_path):
    drums, flute = tune(channel=9), tune(b"\xc2\x49", channel=2)
    score = read(midi(meta_track("Band"), drums, flute, kind=1), tmp_path)
    assert [(part.program, part.drums) for part in score.parts] == [(0, True), (73, False)]
    assert (len(score.notes), len(score.pitched), score.title) == (16, 8, "Band")


def meta_track(name: str, charset: str = "utf-8") -> bytes:
    return events((0, meta(3, name.encode(charset))), (0, END))


def test_a_program_may_stand_on_another_track(tmp_path):
    score = read(midi(events((0, b"\xc0\x28"), (0, END)), tune()), tmp_path)
    assert [part.program for part in score.parts] == [40]


@pytest.mark.parametrize(
    ("title", "charset"),
    [
        ("Frère Jacques – ré", "utf-8"),
        ("Für Elise", "latin-1"),
        ("Ça ira, ça va", "latin-1"),
        ("Катюша", "cp1251"),
        ("Подмосковные вечера", "cp1251"),
        ("Ночь (remix)", "cp1251"),
        ("さくらさくら", "shift_jis"),
        ("荒城の月", "shift_jis"),
        ("Sonata no. 1", "ascii"),
    ],
)
def test_titles_are_read_in_their_charset(tmp_path, title, charset):
    assert read(midi(meta_track(title, charset), tune()), tmp_path).title == title


def test_all_texts_of_a_file_tell_its_charset(tmp_path):
    # Two letters alone could be anything.
    words = events(*((i, meta(5, word.encode("cp1251"))) for i, word in enumerate(["рас", "цве"])))
    data = midi(meta_track("Да", "cp1251"), words + b"\0" + END, tune())
    assert read(data, tmp_path).title == "Да"


def test_a_last_bar_that_pays_the_pickup_back_is_no_change_of_metre(tmp_path):
    conductor = events(
        (0, metre(1, 2)), (BEAT, metre(4, 2)), (5 * BEAT, metre(3, 2)), (5 * BEAT, END)
    )
    score = read(midi(conductor, tune()), tmp_path)
    assert score.metre == "4/4"
    assert score.notes["onset"].tolist() == [1440 + 480 * i for i in range(8)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"RIFF\0\0\0\0WAVE", "not a MIDI file"),
        (WHOLE[:10], "ends in its header"),
        (midi(base=BEAT), "without tracks"),
        (midi(tune(), base=0), "time base"),
    ],
)
def test_what_cannot_be_mended_says_why(tmp_path, data, reason):
    with pytest.raises(UnreadableScore, match=reason):
        read(data, tmp_path)
