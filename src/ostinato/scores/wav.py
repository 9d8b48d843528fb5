"""Writing sound as 16-bit WAV files."""

import io
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
