"""Sound as WAV files of 16 bits."""

import io
from pathlib import Path

import numpy as np
import soundfile

from ostinato.core import files

RATE = 44_100
"""Samples a second of all sound here."""

FULL_SCALE = 32_768.0
"""What a 16-bit sample is divided by, so that it lies in [-1, 1)."""

PEAK = 0.9
"""Largest sample of a piece, so that all pieces are about equally loud and none is clipped."""


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write sound as a 16-bit WAV file, which carries no time stamp.

    Parameters
    ----------
    path : Path
        The file.
    samples : ndarray[float32], shape [samples, channels]
        In [-1, 1] at 44,100 samples a second.
    """
    data = io.BytesIO()
    soundfile.write(data, samples, RATE, format="WAV", subtype="PCM_16")
    files.write(path, data.getvalue())
