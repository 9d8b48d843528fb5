"""Pictures of sound: spectrograms in thirds of semitones, one below the other."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from ostinato.scores.plotting import ACCENT, save
from ostinato.scores.wav import RATE
from ostinato.sound.parts.bands import PER_SEMITONE, Bands

HOP, LOWEST, KEYS = 1225, 36, 73
"""Samples from one spectrum to the next; the lowest MIDI pitch, and the number of keys from it on
whose harmonics are seen, too."""
STRETCH, AROUND = 2160, 4
"""Hops that are computed at a time, and hops on each side that they depend on."""
RANGE = 70.0
"""Everything further below the loudest point than this, in dB, is black."""
OCTAVES = {f"C{octave}": 12 * (octave + 1) for octave in range(2, 10)}


def draw_spectra(path: Path, sounds: dict[str, np.ndarray], mark: float | None = None) -> None:
    """Draw spectrograms of sounds as a PNG file, all on the scale of the first.

    Harmonics of a note are lines at distances that are the same for all notes, so that notes and
    chords can be seen.

    Parameters
    ----------
    path : Path
        The file.
    sounds : dict of str to ndarray[float32], shape [2, samples]
        From the title of each to the sound.
    mark : float, optional
        The time in seconds at which to draw a line.
    """
    figure = Figure(figsize=(12, 2.9 * len(sounds)), layout="constrained")
    rows = figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    top = None
    for axes, (title, sound) in zip(rows, sounds.items(), strict=True):
        levels = _levels(sound)
        top = float(levels.max()) if top is None else top
        seconds = sound.shape[1] / RATE
        highest = LOWEST + len(levels) / PER_SEMITONE
        axes.imshow(
            levels,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - RANGE,
            vmax=top,
            extent=(0, seconds, LOWEST - 0.5, highest - 0.5),
        )
        octaves = {name: pitch for name, pitch in OCTAVES.items() if pitch < highest - 0.5}
        axes.set_yticks(list(octaves.values()), list(octaves))
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        if mark is not None and mark < seconds:
            axes.axvline(mark, color=ACCENT, linewidth=1.5)
    rows[-1].set_xlabel("seconds")
    save(path, figure)


def _levels(sound: np.ndarray) -> np.ndarray:
    """Compute a spectrogram a minute at a time: ndarray[float32], shape [bands, hops], in dB."""
    middle = torch.from_numpy(sound.astype(np.float32).mean(0))
    rows = []
    for first in range(0, len(middle) // HOP + 1, STRETCH):
        begin = max(0, first - AROUND)
        part = middle[begin * HOP : (first + STRETCH + AROUND) * HOP]
        rows.append(_bands()(part[None])[0, first - begin :, 0][:STRETCH])
    return 10 * torch.cat(rows)[: len(middle) // HOP + 1].T.numpy()


@cache
def _bands() -> Bands:
    return Bands(HOP, LOWEST, KEYS)
