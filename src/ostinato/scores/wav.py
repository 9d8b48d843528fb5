"""Writing sound as 16-bit WAV files."""

import io
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from ostinato.core import files

RATE = 44_100
"""The sample rate of all sound here, in samples per second."""

FULL_SCALE = 32_768.0
"""16-bit samples are divided by this, so that they lie in [-1, 1)."""

PEAK = 0.9
"""The peak that pieces are scaled to, so that they are about equally loud and none is clipped."""


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write sound as a 16-bit WAV file without a time stamp.

    Parameters
    ----------
    path : Path
        The file.
    samples : ndarray[float32], shape [samples, channels]
        In [-1, 1], at 44,100 samples per second.
    """
    data = io.BytesIO()
    soundfile.write(data, samples, RATE, format="WAV", subtype="PCM_16")
    files.write(path, data.getvalue())


def write_parts(path: Path, parts: Iterable[np.ndarray], channels: int) -> None:
    """Write sound as a 16-bit WAV file, each part as soon as it is made.

    Parameters
    ----------
    path : Path
        The file. It has its name when it is complete.
    parts : iterable of ndarray[float32], shape [n, channels]
        As for `write_wav`.
    channels : int
    """
    with files.writing(path) as file, wave.open(file, "wb") as sound:
        sound.setparams((channels, 2, RATE, 0, "NONE", ""))
        for part in parts:
            sound.writeframes(to_pcm(part).tobytes())


def to_pcm(samples: np.ndarray) -> np.ndarray:
    """Round samples in [-1, 1] to 16 bits; larger ones are clipped."""
    scaled = np.floor(samples * FULL_SCALE + 0.5)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
