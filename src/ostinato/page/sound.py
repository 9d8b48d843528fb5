"""Sound for the page: MP3, which every browser plays, and which is the same bytes every time."""

import struct
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lameenc
import numpy as np
import soundfile
import soxr

from ostinato.core import cache
from ostinato.scores.midi import read_midi
from ostinato.scores.synthesis import render
from ostinato.scores.wav import RATE, to_pcm

KILOBITS, LOWER_RATE, QUALITY = 80, 32_000, 3
"""Kilobits a second for both channels together, constant, so that browsers find any place exactly;
the sample rate that sounds best with so few; and how carefully LAME encodes, from 0 to 9 (fast)."""

FRAME, HEADER, DELAY = 1152, 36, 576
"""Samples of an MP3 frame, bytes before its content, and by how many samples LAME delays sound."""


@dataclass(frozen=True)
class Encoded:
    """A sound as the page has it.

    Attributes
    ----------
    data : bytes
        An MP3 file.
    seconds : float
        Its length.
    power : list of float
        The mean square of each second.
    """

    data: bytes
    seconds: float
    power: list[float]


def mp3_of(path: Path) -> Encoded:
    """Encode a WAV file, or what a MIDI file sounds like, unless that was done before.

    Parameters
    ----------
    path : Path
        As `ostinato.scores.wav.write_wav` and `ostinato.scores.midi.midi_bytes` write them.

    Returns
    -------
    Encoded
    """
    libraries = map(version, ("lameenc", "soxr", "midirenderer", "pretty_midi"))
    known = " ".join([cache.code_of(__name__), *libraries])
    return cache.remembered(_encoded, path, version=known)


def _encoded(path: Path) -> Encoded:
    if path.suffix == ".mid":
        samples = render(read_midi(path, pickup=False))
    else:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    seconds = range(0, len(samples), RATE)
    power = [float(np.square(samples[s : s + RATE]).mean()) for s in seconds]
    return Encoded(mp3(samples), len(samples) / RATE, power)


def mp3(samples: np.ndarray) -> bytes:
    """Encode sound as MP3.

    Parameters
    ----------
    samples : ndarray[float32], shape [samples, 2]
        In [-1, 1], at 44,100 samples per second.

    Returns
    -------
    bytes
        The file; the same sound gives the same bytes.
    """
    pcm = to_pcm(soxr.resample(samples, RATE, LOWER_RATE))
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(pcm.shape[1])
    encoder.set_in_sample_rate(LOWER_RATE)
    encoder.set_bit_rate(KILOBITS)
    encoder.set_quality(QUALITY)
    frames = bytes(encoder.encode(pcm.tobytes()) + encoder.flush())
    return _length(frames, len(pcm)) + frames


def _length(frames: bytes, samples: int) -> bytes:
    """Make the frame that says how long a sound is, which comes first.

    Without it, players would hear it late, and silence at its end. Its format is that of Xing, with
    LAME's extension (see "MP3 Info Tag", https://gabriel.mp3-tech.org/mp3infotag.html).
    """
    size = FRAME // 8 * KILOBITS * 1000 // LOWER_RATE
    count = len(frames) // size
    padding = count * FRAME - DELAY - samples
    fields = 0b1111
    places = bytes(place * 256 // 100 for place in range(100))
    xing = struct.pack(">4sIII100sI", b"Info", fields, count, len(frames) + size, places, 0)
    delays = (DELAY << 12 | padding).to_bytes(3, "big")
    lame = struct.pack(">9sB9xBB3s4xI4x", b"LAME3.100", 1, 0, KILOBITS, delays, len(frames) + size)
    tag = frames[:4].ljust(HEADER, b"\0") + xing + lame
    return tag.ljust(size, b"\0")
