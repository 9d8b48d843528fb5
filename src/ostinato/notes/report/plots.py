"""Plots: histograms, self-similarity, and where a memory reads."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ostinato.notes.data.rolls import KEYS, LOWEST
from ostinato.notes.report.metrics import LARGEST_CHORD, LARGEST_INTERVAL
from ostinato.scores.picture import NAMES
from ostinato.scores.plotting import ACCENT, INK, PALE


def histograms(sets: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Plot histograms of several sets of pieces side by side.

    Parameters
    ----------
    sets : dict
        From the name of each set to its `ostinato.notes.report.metrics.histograms`.

    Returns
    -------
    Figure
    """
    labels = {
        "pitch_class": NAMES,
        "interval": list(range(-LARGEST_INTERVAL, LARGEST_INTERVAL + 1)),
        "polyphony": list(range(1, LARGEST_CHORD + 1)),
    }
    figure = Figure(figsize=(14, 7), layout="constrained")
    for axes, kind in zip(figure.subplots(2, 2).flat, next(iter(sets.values())), strict=True):
        _bars(axes, {name: counts[kind] for name, counts in sets.items()})
        size = len(next(iter(sets.values()))[kind])
        axes.set_xticks(range(size), labels.get(kind, list(range(size))), fontsize=8)
        axes.set_title(kind.replace("_", " "), loc="left", fontsize=10)
    axes.legend(frameon=False)
    return figure


def _bars(axes: Axes, counts: dict[str, np.ndarray]) -> None:
    width = 0.8 / len(counts)
    for i, (name, values) in enumerate(counts.items()):
        places = np.arange(len(values)) + (i - (len(counts) - 1) / 2) * width
        shares = values / max(values.sum(), 1)
        axes.bar(places, shares, width, label=name, color=[ACCENT, INK, PALE][i])
    axes.spines[["top", "right"]].set_visible(False)


def self_similarity(sets: dict[str, dict[str, float]]) -> Figure:
    """Plot self-similarity against the lag in bars, one line for each set of pieces."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), color in zip(sets.items(), [ACCENT, INK], strict=False):
        axes.plot(list(values), list(values.values()), "o-", label=name, color=color)
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
