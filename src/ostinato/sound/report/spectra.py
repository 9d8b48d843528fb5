"""Pictures of sound: mel spectrograms, one below the other."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ostinato.scores.plotting import ACCENT, save
from ostinato.scores.wav import RATE
from ostinato.sound.report import measures

TICKS = (100, 500, 2000, 8000)


def draw_spectra(path: Path, sounds: dict[str, np.ndarray], mark: float | None = None) -> None:
    """Draw mel spectrograms of sounds as a PNG file, all on the scale of the first.

    Parameters
    ----------
    path : Path
        The file.
    sounds : dict of str to ndarray[float32], shape [2, samples]
        From the title of each to the sound.
    mark : float, optional
        The time in seconds at which to draw a line.
    """
    figure = Figure(figsize=(12, 2.6 * len(sounds)), layout="constrained")
    rows = figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    top = None
    for axes, (title, sound) in zip(rows, sounds.items(), strict=True):
        middle = sound.mean(0)
        if top is None:
            top = float(measures.log_mel(middle, -200.0).max())
        spectrum = measures.log_mel(middle, top - measures.RANGE)
        seconds = sound.shape[1] / RATE
        axes.imshow(
            spectrum,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - measures.RANGE,
            vmax=top,
            extent=(0, seconds, 0, measures.MELS),
        )
        axes.set_yticks([measures.mel_band(hertz) for hertz in TICKS], [str(t) for t in TICKS])
        axes.set_ylabel("Hz")
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        if mark is not None and mark < seconds:
            axes.axvline(mark, color=ACCENT, linewidth=1.5)
    rows[-1].set_xlabel("seconds")
    save(path, figure)
