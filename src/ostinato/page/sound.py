"""Sound for the page: MP3, which every browser plays, and which is the same bytes every time."""

import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile

from ostinato.core import cache
from ostinato.scores.midi import read_midi
from ostinato.scores.synthesis import render
from ostinato.scores.wav import RATE

COMPRESSION = 0.85
"""Of libsndfile, from 0 to 1: 80 kbit/s for both channels together. The rate is constant, so that
browsers find any place exactly; at lower ones, libsndfile does not write how long the sound is."""

BLOCK = 65_536
"""Samples that are encoded at once."""


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
    libraries = soundfile.__libsndfile_version__, version("midirenderer"), version("pretty_midi")
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
    samples : ndarray[float32], shape [samples, channels]
        In [-1, 1], at 44,100 samples per second.

    Returns
    -------
    bytes
        The file; the same sound gives the same bytes.
    """
    # Only in a file, and not in memory, does libsndfile say at the end how long the sound is.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        with soundfile.SoundFile(
            path,
            "w",
            RATE,
            samples.shape[1],
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="CONSTANT",
            compression_level=COMPRESSION,
        ) as sound:
            for first in range(0, len(samples), BLOCK):
                sound.write(samples[first : first + BLOCK])
        return path.read_bytes()
