"""Plots: histograms, self-similarity, and where a memory reads."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ostinato.notes.data.rolls import KEYS, LOWEST
from ostinato.notes.report.features import LARGEST_CHORD, LARGEST_INTERVAL, LONGEST
from ostinato.scores.picture import NAMES
from ostinato.scores.plotting import ACCENT, INK, PALE

COLORS = ACCENT, INK, PALE
"""Of compositions, validation songs and test songs."""


def histograms(sets: dict[str, dict[str, np.ndarray]], steps_per_beat: int) -> Figure:
    """Plot histograms of several sets of music side by side.

    Parameters
    ----------
    sets : dict
        From the name of each set to its `ostinato.notes.report.features.mean_histograms`.
    steps_per_beat : int
        Number of steps in a quarter note.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(14, 7), layout="constrained")
    labels = {
        "pitch_classes": NAMES,
        "note_lengths": [f"{n / steps_per_beat:g}" for n in range(1, LONGEST * steps_per_beat + 1)],
        "intervals": list(range(-LARGEST_INTERVAL, LARGEST_INTERVAL + 1)),
        "polyphony": list(range(LARGEST_CHORD + 1)),
    }
    titles = "pitch classes", "lengths of notes, beats", "intervals of the highest voice", "keys"
    for axes, (kind, ticks), title in zip(
        figure.subplots(2, 2).flat, labels.items(), titles, strict=True
    ):
        _bars(axes, {name: shares[kind] for name, shares in sets.items()})
        axes.set_xticks(range(len(ticks)), ticks, fontsize=8)
        axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False)
    return figure


def _bars(axes: Axes, sets: dict[str, np.ndarray]) -> None:
    width = 0.8 / len(sets)
    for i, ((name, shares), color) in enumerate(zip(sets.items(), COLORS, strict=True)):
        places = np.arange(len(shares)) + (i - (len(sets) - 1) / 2) * width
        axes.bar(places, shares, width, label=name, color=color)
    axes.spines[["top", "right"]].set_visible(False)


def self_similarity(sets: dict[str, dict[str, list[float] | None]]) -> Figure:
    """Plot self-similarity against the lag in bars, with the standard deviation of each set."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), color in zip(sets.items(), COLORS, strict=True):
        known = {lag: value for lag, value in values.items() if value}
        if not known:
            continue
        means, deviations = (np.array(each) for each in zip(*known.values(), strict=True))
        low, high = means - deviations, means + deviations
        axes.plot(list(known), means, "o-", label=name, color=color)
        axes.fill_between(list(known), low, high, color=color, alpha=0.1)
    axes.set_xlabel("bars before")
    axes.set_ylabel("onsets in common")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def reading(onsets: np.ndarray, weights: np.ndarray, lags: list[int], bar: int) -> Figure:
    """Plot a piece and, below it, at which lags the memory reads the past at each step.

    Parameters
    ----------
    onsets : ndarray, shape [steps, 88]
        The piece.
    weights : ndarray, shape [steps, lags]
        They sum to 1 at each step.
    lags : list of int
        In steps.
    bar : int
        Number of steps in a bar.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(14, 6), layout="constrained")
    piece, read = figure.subplots(2, 1, sharex=True)
    steps, keys = np.nonzero(onsets)
    piece.scatter(steps, keys + LOWEST, s=6, color=INK, marker="s")
    piece.set_ylim(max(keys.min() - 2, 0) + LOWEST, min(keys.max() + 2, KEYS) + LOWEST)
    piece.set_ylabel("MIDI pitch")
    image = read.imshow(
        weights.T,
        aspect="auto",
        origin="lower",
        cmap="magma_r",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    read.set_yticks(range(len(lags)), map(str, lags))
    read.set_ylabel("lag in steps")
    read.set_xlabel("bar")
    bars = range(0, len(onsets), bar)
    read.set_xticks(bars, [str(i + 1) for i in range(len(bars))])
    figure.colorbar(image, ax=read, label="weight")
    piece.spines[["top", "right"]].set_visible(False)
    return figure
