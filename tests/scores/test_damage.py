"""Damaged MIDI files are read or refused: nothing crashes, hangs, or eats the memory."""

import os
import random
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path

import music21
import pretty_midi
import pytest

from ostinato.notes.data.dataset import _read
from ostinato.scores.archive import Stored
from ostinato.scores.corpus import Song, read_file
from ostinato.scores.midi import midi_bytes
from ostinato.scores.notation import chorale_files, read_notation
from ostinato.scores.sources import Rejected

FILES = 1000
NOTATIONS = 300
SECONDS_A_FILE = 20
MEMORY = 1_000_000_000


def originals(folder: Path) -> list[bytes]:
    """Chorales as three programs write them."""
    written = []
    for path in chorale_files()[10:13]:
        [score] = read_notation(path)
        ours, theirs, third = (folder / f"{path.stem}-{i}.mid" for i in range(3))
        ours.write_bytes(midi_bytes(score))
        pretty_midi.PrettyMIDI(str(ours)).write(str(theirs))
        music21.converter.parse(path, forceSource=True, storePickle=False).write("midi", third)
        written += [p.read_bytes() for p in (ours, theirs, third)]
    return written


def damage(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        place = rng.randrange(max(len(damaged), 1))
        kind = rng.randrange(4)
        if kind == 0:
            damaged[place : place + 1] = rng.randbytes(1)
        elif kind == 1:
            del damaged[place : place + rng.randrange(1, 20)]
        elif kind == 2:
            damaged[place:place] = rng.randbytes(rng.randrange(1, 20))
        else:
            damaged = damaged[: max(place, 1)]
    return bytes(damaged)


def read_damaged_files(folder: Path, filters) -> None:
    rng = random.Random(0)
    whole = originals(folder)
    path, ours = folder / "damaged.mid", folder / "ours.mid"
    taken = 0
    for _ in range(FILES):
        path.write_bytes(damage(rng.choice(whole), rng))
        start = time.monotonic()
        [found] = read_file(path, path.name, None)
        if isinstance(found, Song):
            taken += 1
            ours.write_bytes(found.midi)
            _read(Stored(ours, "ours", 0, len(found.midi), zlib.crc32(found.midi)), filters, None)
        assert time.monotonic() - start < SECONDS_A_FILE
    assert FILES // 20 < taken < FILES
    assert peak_memory() < MEMORY


def peak_memory() -> int:
    """Bytes that this process used at most; getrusage counts its parent's before the fork, too."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_thousands_of_damaged_files_are_read_or_refused(tmp_path):
    """In a process of its own, whose greatest use of memory is known."""
    script = "from test_damage import *; from making import FILTERS; "
    result = subprocess.run(
        [sys.executable, "-c", script + f"read_damaged_files(Path({str(tmp_path)!r}), FILTERS)"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


KERN = """**kern\t**kern\t**dynam
*M4/4\t*M4/4\t*
=1\t=1\t=1
*\t*^\t*
4C\t2e\t4g\tp
4D\t.\t4a\t.
2E\t2f\t[2b\t.
*\t*v\t*v\t*
=2:|!\t=2:|!\t=2:|!
1F\t1b]\t.
*-\t*-\t*-
"""
XML = b"""<?xml version="1.0"?><score-timewise version="4.0"><part-list><score-part id="P1">
<part-name>x</part-name></score-part></part-list><measure number="1"><part id="P1"><attributes>
<divisions>2</divisions><time><beats>3</beats><beat-type>4</beat-type></time></attributes>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>6</duration></note></part></measure>
</score-timewise>"""
TUNE = """X:1
T:Tune
M:6/8
L:1/8
K:G
V:1
|:GAB d2B|[V:2]G,3 D,3|[V:1](3cde c>B A & E3|1 G6:|2 G6|]
"""


def test_damaged_notation_is_read_or_refused(tmp_path):
    rng = random.Random(1)
    [chorale, *_] = [path for path in chorale_files() if path.suffix == ".mxl"]
    whole = [(".krn", KERN.encode())] * 3 + [(".abc", TUNE.encode())] * 3
    whole += [(".mxl", chorale.read_bytes()), (".xml", XML)]
    taken = 0
    for _ in range(NOTATIONS):
        suffix, data = rng.choice(whole)
        path = (tmp_path / "damaged").with_suffix(suffix)
        path.write_bytes(damage(data, rng))
        start = time.monotonic()
        found = read_file(path, path.name, None)
        assert all(isinstance(each, Song | Rejected) for each in found)
        taken += any(isinstance(each, Song) for each in found)
        assert time.monotonic() - start < SECONDS_A_FILE
    assert NOTATIONS // 10 < taken < NOTATIONS
