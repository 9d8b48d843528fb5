"""Damaged inputs of all kinds: each is read, or refused with a reason, and nothing else happens.

    python bench/fuzz.py
    python bench/fuzz.py --inputs 3000 --seed 7 --kinds midi musicxml

Inputs are made by damaging sound ones: bytes and bits are changed, parts are removed, doubled,
exchanged, or taken from another input, and numbers become larger, negative or nothing. In most
inputs of MusicXML and params.yaml, whole elements or lines are, so that they can still be parsed;
in most models and checkpoints, the header that says what is where. In most archives (.mxl), a file
is damaged before it is compressed. A process of its own for each kind reads them; notes go on to
steps, chords and tokens. It may not end, nor take over 20 s or 1 GB for one of them, nor raise what
is no reason for a user. Inputs for which one of these happens are kept in --out. A count is printed
for each kind. Input i of a kind depends on the seed and on i alone, so a run that was stopped goes
on where it was if it is given the same --out.
"""

import argparse
import io
import multiprocessing
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from torch import nn

from ostinato.core import files, tensor_file
from ostinato.core.errors import UserError
from ostinato.core.models import read_model, write_model
from ostinato.core.params import read_params
from ostinato.core.seeds import derive
from ostinato.notes.data import dataset
from ostinato.scores import corpus
from ostinato.scores.midi import from_bytes, midi_bytes
from ostinato.scores.parts import usual_parts
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, UnreadableScore
from ostinato.scores.sources import Rejected
from ostinato.sound.data.recordings import UnreadableSound, read_blocks
from ostinato.tokens.data import chords, letters
from ostinato.tokens.data.tokenizer import Tokenizer, in_quarters

ROOT = Path(__file__).parents[1]
SECONDS, MEGABYTES = 20, 1024
"""The most that one input may take: time, and memory beyond that of the process before it."""

CONFIG = {"kind": "generator"}

FILTERS = dataset.Filters(4, [], [0, 127], None, 0.5, 1.0, "all")
"""Which songs go on to steps: nearly all."""

READ, REFUSED = "read", "refused"

FAILED = ("ended", "too slow", "raised")
"""What may not happen: the process ended, took too long, or raised what is no reason."""


def score(rng: random.Random) -> Score:
    """Make a short piece with drums, tempi and metres."""
    rows = [
        (rng.randrange(0, 3840, 60), rng.choice((60, 120, 480)), rng.randrange(30, 90), 80, part)
        for part in range(3)
        for _ in range(rng.randrange(1, 12))
    ]
    notes = np.array(sorted(rows), NOTE)
    parts = [Part("Flöte", 73), Part("Bass", 33), Part("Drums", drums=True)]
    metres = [Metre(0, rng.choice((2, 3, 4, 6)), rng.choice((4, 8)))]
    return Score(notes, parts, metres, [Tempo(0, rng.uniform(40, 200))], "A piece")


def midi(rng: random.Random) -> bytes:
    """Make a MIDI file."""
    return midi_bytes(score(rng))


def musicxml(rng: random.Random) -> bytes:
    """Make a file of MusicXML."""

    def note() -> str:
        step, octave = rng.choice("ABCDEFG"), rng.randrange(2, 6)
        more = rng.choice(("", "<chord/>", "<tie type='start'/>", "<dot/>"))
        return (
            f"<note>{more if more == '<chord/>' else ''}<pitch><step>{step}</step>"
            f"<alter>{rng.choice((-1, 0, 1))}</alter><octave>{octave}</octave></pitch>"
            f"<duration>{rng.choice((1, 2, 4))}</duration>{'' if more == '<chord/>' else more}"
            "<voice>1</voice></note>"
        )

    def bar(number: int) -> str:
        begin = (
            "<attributes><divisions>2</divisions><key><fifths>1</fifths></key><time><beats>4</beats>"
            "<beat-type>4</beat-type></time></attributes>"
            if number == 1
            else rng.choice(
                ("", "<barline location='left'><repeat direction='forward'/></barline>")
            )
        )
        end = rng.choice(("", "<barline location='right'><repeat direction='backward'/></barline>"))
        notes = "".join(note() for _ in range(rng.randrange(1, 6)))
        back = "<backup><duration>2</duration></backup>"
        return f"<measure number='{number}'>{begin}{notes}{back}{end}</measure>"

    parts = "".join(
        f"<part id='P{part}'>" + "".join(map(bar, range(1, rng.randrange(2, 5)))) + "</part>"
        for part in (1, 2)
    )
    names = "".join(
        f"<score-part id='P{part}'><part-name>Part {part}</part-name></score-part>"
        for part in (1, 2)
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><score-partwise version='4.0'>"
        f"<part-list>{names}</part-list>{parts}</score-partwise>"
    ).encode()


def mxl(rng: random.Random) -> bytes:
    """Make an archive of MusicXML, in which a file is damaged before it is compressed."""
    files_in = {
        "META-INF/container.xml": (
            b"<?xml version='1.0'?><container><rootfiles><rootfile full-path='score.xml'/>"
            b"</rootfiles></container>"
        ),
        "score.xml": musicxml(rng),
    }
    if rng.random() < 0.2:
        name = "META-INF/container.xml"
        files_in[name] = damaged(files_in[name], files_in[name], rng)
    else:
        files_in["score.xml"] = damaged_in("musicxml", files_in["score.xml"], musicxml(rng), rng)
    found = io.BytesIO()
    with zipfile.ZipFile(
        found, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as all_:
        for name, data in files_in.items():
            all_.writestr(name, data)
    return found.getvalue()


def abc(rng: random.Random) -> bytes:
    """Make a tune in ABC."""
    pieces = """ABc2|d/e/ (3fga z4 [CEG] |: :| |1 |2 || "Am" {g}a ^f _b =c A, c' - > < [M:3/4] %%
        Z2 x3 y TA HB"""
    music = " ".join(rng.choice(pieces.split()) for _ in range(rng.randrange(4, 40)))
    metre = rng.choice(("6/8", "4/4", "C|"))
    return f"X:1\nT:Größe\nM:{metre}\nL:1/8\nQ:1/4=120\nK:G\n{music}|\n".encode()


def humdrum(rng: random.Random) -> bytes:
    """Make a Humdrum file."""
    lines = ["**kern\t**kern", "*M4/4\t*M4/4", "*MM90\t*MM90", "=1\t=1"]
    for number in range(rng.randrange(2, 20)):
        lines.append(
            "\t".join(rng.choice(("4c", "8dd-L", "[2.e", "4r", ".", "4C 4E", "16qf")) for _ in "ab")
        )
        if not number % 5:
            lines.append(f"={number}\t={number}")
    return "\n".join([*lines, "*-\t*-"]).encode()


def sound(rng: random.Random) -> bytes:
    """Make a sound file, or a video."""
    kind = rng.choice(("WAV", "FLAC", "OGG", "MP3", "mp4", "mp4", "matroska", "mpegts", "adts"))
    shape = rng.randrange(2000, 30_000), rng.choice((2, 2, 6))
    samples = np.sin(np.arange(shape[0]) / rng.uniform(3, 60))[:, None].repeat(shape[1], 1) / 2
    if kind == "MP3":
        samples = samples[:, :2]
    with tempfile.NamedTemporaryFile() as file:
        if kind.isupper():
            soundfile.write(file.name, samples, 22_050, format=kind)
        else:
            record(file.name, kind, samples, pictures=rng.randrange(3))
        return Path(file.name).read_bytes()


def record(path: str, kind: str, samples: np.ndarray, pictures: int) -> None:
    """Write a file of AAC at 22,050 Hz, with a track of so many pictures if there are any."""
    layout = {2: "stereo", 6: "5.1"}[samples.shape[1]]
    packed = samples.astype(np.float32).reshape(1, -1)
    heard = av.AudioFrame.from_ndarray(packed, "flt", layout)
    heard.sample_rate, heard.pts, heard.time_base = 22_050, 0, Fraction(1, 22_050)
    seen = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")
    seen.time_base = Fraction(1, 10)
    with av.open(path, "w", kind, {"fflags": "bitexact"}) as file:
        track = file.add_stream("aac", 22_050, layout=layout)
        if pictures and kind != "adts":
            film = file.add_stream("mpeg4", 10)
            film.width = film.height = 32
            for seen.pts in range(pictures):
                file.mux(film.encode(seen))
            file.mux(film.encode())
        file.mux(track.encode(heard))
        file.mux(track.encode())


def text(rng: random.Random) -> bytes:
    """Make a text in UTF-8."""
    words = ["Bäche", "und", "Quellen", "音楽", "🎵", "naïve", "\u202e", "\x00", "\ufeff", "fin"]
    return " ".join(rng.choice(words) for _ in range(200)).encode()


def params(rng: random.Random) -> bytes:
    """Take params.yaml."""
    return (ROOT / "params.yaml").read_bytes()


def model(rng: random.Random) -> bytes:
    """Make a model."""
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), network(rng), CONFIG)
        return (Path(folder) / "model.safetensors").read_bytes()


def checkpoint(rng: random.Random) -> bytes:
    """Make a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        state = {"step": rng.randrange(99), "history": [{"step": 1, "valid": 0.5}]}
        tensor_file.write(path, network(rng).state_dict(), state)
        return path.read_bytes()


def network(rng: random.Random) -> nn.Module:
    """Make a small network."""
    return nn.Sequential(nn.Linear(rng.randrange(1, 9), 4), nn.Linear(4, 2))


def notation_read(path: Path) -> str:
    """Read notes, and do with them what the stages do."""
    songs = [
        each for each in corpus.read_file(path, path.name, None) if not isinstance(each, Rejected)
    ]
    for song in songs:
        go_on(from_bytes(song.midi))
    return READ if songs else REFUSED


def go_on(piece: Score) -> None:
    """Turn a song into steps, chords and tokens; what does not fit is left out."""
    chords.tokens_of(piece, True)
    if not dataset.rejection(piece, FILTERS):
        dataset.quantise(piece, FILTERS.steps_per_beat)
    config = {
        "tokenizer": "remi",
        "steps_per_beat": FILTERS.steps_per_beat,
        "velocities": 8,
        "metres": sorted({str(in_quarters(metre)) for metre in piece.metres}),
        "parts": [
            [number, part.program, part.name] for number, part in usual_parts([piece.parts]).items()
        ],
        "drums": any(part.drums for part in piece.parts),
        "swing": None,
        "merges": [],
    }
    with suppress(UnreadableScore):
        Tokenizer(config).names_of(piece)


def sound_read(path: Path) -> str:
    """Read sound."""
    for _ in read_blocks(path):
        pass
    return READ


def text_read(path: Path) -> str:
    """Read text as letters."""
    out = path.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    folder = path.parent / "texts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder / "a.txt")
    letters.build(out, "folder", folder, None)
    return READ


def params_read(path: Path) -> str:
    """Read and check parameters."""
    read_params(path)
    return READ


def model_read(path: Path) -> str:
    """Read a model."""
    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    files.write_json(folder / "config.json", CONFIG)
    shutil.copy(path, folder / "model.safetensors")
    read_model(folder)
    return READ


def checkpoint_read(path: Path) -> str:
    """Read a checkpoint."""
    tensor_file.read(path, "remove it")
    return READ


KINDS: dict[str, tuple[Callable[[random.Random], bytes], str, Callable[[Path], str]]] = {
    "midi": (midi, "mid", notation_read),
    "musicxml": (musicxml, "musicxml", notation_read),
    "mxl": (mxl, "mxl", notation_read),
    "abc": (abc, "abc", notation_read),
    "humdrum": (humdrum, "krn", notation_read),
    "sound": (sound, "wav", sound_read),
    "text": (text, "txt", text_read),
    "params": (params, "yaml", params_read),
    "model": (model, "safetensors", model_read),
    "checkpoint": (checkpoint, "safetensors", checkpoint_read),
}
"""For each kind: what makes a sound input, its suffix, and what reads it."""

PIECES = {
    "musicxml": rb"<[a-z-]+(?: [^<>]*)?>[^<>]*</[a-z-]+>|<[a-z-]+(?: [^<>]*)?/>",
    "params": rb"(?m)^.*\n",
    "model": rb'\{[^{}]*\}|"[^"]*"',
    "checkpoint": rb'\{[^{}]*\}|"[^"]*"',
}
"""For some kinds, what has a beginning and an end: elements, lines, members of a header."""
WHOLE_PIECES = 0.8
"""The share of inputs of these kinds in which only whole pieces and numbers are damaged."""

NUMBERS = ("0", "-1", "255", "65536", "2147483647", "-2147483648", "1e309", "nan", "", "0.0001")


def rearranged(data: bytes, other: bytes, piece: bytes, rng: random.Random) -> bytes:
    """Remove, double, exchange or replace one to six pieces of an input, or numbers in them."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        places = list(re.finditer(piece, bytes(found)))
        if not places:
            break
        one, two = rng.choice(places), rng.choice(places)
        theirs = rng.choice(re.findall(piece, other))
        numbers = list(re.finditer(rb"\d+", one[0]))
        way = rng.randrange(6)
        if way == 0:
            found[one.start() : one.end()] = b""
        elif way == 1:
            found[one.start() : one.start()] = one[0] * rng.choice((1, 1, 2, 50))
        elif way == 2:
            found[one.start() : one.end()] = two[0]
        elif way == 3:
            found[one.start() : one.end()] = theirs
        elif numbers:
            number = rng.choice(numbers)
            begin = one.start() + number.start()
            found[begin : begin + len(number[0])] = rng.choice(NUMBERS).encode()
    return bytes(found)


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Damage an input in one to six places."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        first = rng.randrange(len(found) + 1)
        last = min(len(found), first + rng.choice((1, 1, 2, 4, 16, 200)))
        way = rng.randrange(8)
        if way == 0:
            found[first:last] = rng.randbytes(last - first)
        elif way == 1:
            del found[first:last]
        elif way == 2:
            found[first:first] = found[first:last] * rng.choice((1, 1, 2, 50))
        elif way == 3:
            begin = rng.randrange(len(other))
            found[first:last] = other[begin : begin + rng.choice((1, 8, 100))]
        elif way == 4:
            found[first:last] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * (last - first)
        elif way == 5:
            del found[first:]
        elif way == 6 and first < len(found):
            found[first] ^= 1 << rng.randrange(8)
        elif way == 7 and (places := list(re.finditer(rb"\d+", bytes(found[:100_000])))):
            place = rng.choice(places)
            found[place.start() : place.end()] = rng.choice(NUMBERS).encode()
    return bytes(found)


def input_of(kind: str, seed: int, number: int) -> bytes:
    """Make an input: it depends on these alone."""
    make = KINDS[kind][0]
    one, two, own = (
        random.Random(derive(seed, kind, number, name)) for name in ("one", "two", "damage")
    )
    if kind == "mxl" and own.random() < 0.8:
        return make(one)
    return damaged_in(kind, make(one), make(two), own)


def damaged_in(kind: str, data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Damage an input of a kind, with another one of this kind."""
    if kind in PIECES and rng.random() < WHOLE_PIECES:
        return rearranged(data, other, PIECES[kind], rng)
    return damaged(data, other, rng)


def outcome(kind: str, path: Path) -> tuple[str, str]:
    """Read an input, and say what came of it."""
    try:
        return KINDS[kind][2](path), ""
    except (UserError, UnreadableSound) as error:
        told = str(error)
        return (REFUSED, "") if told.strip() else ("raised", "a reason without words")
    except BaseException:
        return "raised", traceback.format_exc()


def work(kind: str, seed: int, connection: Any) -> None:
    """Read the inputs that are asked for, in a process with little memory."""
    os.environ["OSTINATO_CACHE"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input.{KINDS[kind][1]}"
        path.write_bytes(KINDS[kind][0](random.Random(0)))
        outcome(kind, path)  # imports what is needed
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = used + MEGABYTES * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        # What readers print about an input is no result; libraries in C do so, too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        connection.send("ready")
        while (number := connection.recv()) is not None:
            path.write_bytes(input_of(kind, seed, number))
            connection.send(outcome(kind, path))


class Reader:
    """A process that reads inputs of a kind; it is started again after it ended."""

    def __init__(self, kind: str, seed: int):
        self.kind, self.seed, self.process = kind, seed, None

    def start(self) -> None:
        """Start a process, and wait until it is ready."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(self.kind, self.seed, theirs))
        self.process.start()
        theirs.close()
        assert self.connection.recv() == "ready"

    def read(self, number: int) -> tuple[str, str]:
        """Read an input; a process that takes too long is stopped."""
        if self.process is None:
            self.start()
        self.connection.send(number)
        try:
            if self.connection.poll(SECONDS):
                return self.connection.recv()
            found = "too slow", f"over {SECONDS} s"
        except EOFError:
            self.process.join()
            found = "ended", f"exit code {self.process.exitcode}"
        self.stop()
        return found

    def stop(self) -> None:
        """Stop the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def fuzz(kind: str, seed: int, inputs: int, out: Path) -> Counter[str]:
    """Read so many inputs of a kind, and keep those that fail."""
    place = out / f"{kind}-{seed}.json"
    done: dict[str, Any] = files.read_json(place) if place.exists() else {"next": 0, "counts": {}}
    counts = Counter(done["counts"])
    reader = Reader(kind, seed)
    last = time.monotonic()
    for number in range(done["next"], inputs):
        found, why = reader.read(number)
        counts[found] += 1
        if found in FAILED:
            data = input_of(kind, seed, number)
            files.write(out / f"{kind}-{seed}-{number}.{KINDS[kind][1]}", data)
            files.write(out / f"{kind}-{seed}-{number}.why", f"{found}: {why}\n".encode())
        if number + 1 == inputs or time.monotonic() - last > 10:
            last = time.monotonic()
            files.write_json(place, {"next": number + 1, "counts": dict(counts)})
            print(f"{kind}: {number + 1} of {inputs}", file=sys.stderr, flush=True)
    reader.stop()
    return counts


def main() -> None:
    """Fuzz, print counts, and exit with 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, help="(a new one)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--out", type=Path, help="where what failed is kept (a new folder)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(2**31)
    out = options.out or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {seed}, kept in {out}", flush=True)
    failed, inputs = 0, options.inputs // len(options.kinds)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        of_kinds = list(pool.map(lambda kind: fuzz(kind, seed, inputs, out), options.kinds))
    print("\n| kind | inputs | read | refused | ended | too slow | raised |")
    print("|---|---|---|---|---|---|---|")
    for kind, counts in zip(options.kinds, of_kinds, strict=True):
        failed += sum(counts[each] for each in FAILED)
        cells = (f"{counts[each]:,}" for each in (READ, REFUSED, *FAILED))
        print(f"| {kind} | {counts.total():,} |", " | ".join(cells), "|", flush=True)
    if failed:
        sys.exit(f"{failed} inputs failed; they are in {out}, each with a .why")


if __name__ == "__main__":
    main()
