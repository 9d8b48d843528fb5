"""What the page draws of a score or of a sound."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave

from ostinato.core import files
from ostinato.scores import given
from ostinato.scores.parts import instrument
from ostinato.scores.score import Score, bar_ticks, seconds
from ostinato.sound.report import measures

COLUMNS = 1200
"""The most columns of a spectrogram; more are averaged."""


def bar_lines(score: Score) -> list[float]:
    """Find when the bars of a score begin, until its last note ends: seconds."""
    return _rounded(seconds(score, np.array(bar_ticks(score))))


def roll_of(score: Score, known: str = "") -> dict[str, Any]:
    """Describe a score as the page draws it.

    Parameters
    ----------
    score : Score
        With notes.
    known : str
        What of it was not composed; see `ostinato.scores.given`.

    Returns
    -------
    dict
        ``notes``: onset and length in seconds, MIDI pitch, index of the part, velocity, and
        whether it was given. ``parts``: name, and whether it is drums. ``given``: in seconds, if
        all was up to there.
    """
    used = np.unique(score.notes["part"]).tolist()
    begins = score.notes["onset"].astype(np.int64)
    onsets = seconds(score, begins)
    lengths = seconds(score, begins + score.notes["length"]) - onsets
    fields = [score.notes[name].tolist() for name in ("pitch", "part", "velocity")]
    fields.append(given.mask(score, known).astype(int).tolist())
    rows = zip(_rounded(onsets), _rounded(lengths), *fields, strict=True)
    parts = [score.parts[part] for part in used]
    return {
        "notes": [[on, n, p, used.index(part), v, old] for on, n, p, part, v, old in rows],
        "parts": [{"name": p.name or instrument(p).title(), "drums": p.drums} for p in parts],
        "given": _rounded(seconds(score, np.array([given.beginning(known)])))[0],
    }


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values, 3).tolist()


def write_spectrum(path: Path, samples: np.ndarray, top: float | None = None) -> float:
    """Write a mel spectrogram as a PNG file, without axes.

    Parameters
    ----------
    path : Path
        The file.
    samples : ndarray[float32], shape [samples, channels]
        At 44,100 samples per second.
    top : float, optional
        The level in dB that is shown brightest; by default, the highest there is.

    Returns
    -------
    float
        The level that is shown brightest.
    """
    levels = measures.log_mel(samples.mean(1), -200.0)
    top = float(levels.max()) if top is None else top
    shown = np.clip((levels - top) / measures.RANGE + 1, 0, 1)
    groups = np.array_split(shown, min(COLUMNS, shown.shape[1]), axis=1)
    mean = np.stack([group.mean(1) for group in groups], 1)
    data = io.BytesIO()
    colours = colormaps["magma"](mean[::-1], bytes=True)[..., :3]
    imsave(data, colours, format="png", metadata={"Software": None})
    files.write(path, data.getvalue())
    return top
