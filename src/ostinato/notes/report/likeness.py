"""Likeness: how far a set of music can be told from another."""

from collections.abc import Sequence

import numpy as np
from scipy.integrate import trapezoid
from scipy.spatial.distance import cdist
from sklearn.neighbors import KernelDensity

from ostinato.core import two_sample
from ostinato.notes.report.features import Window

MOST = 256
"""Largest number of windows of a set whose distances are computed."""

POINTS = 512
"""Number of points at which densities of distances are compared."""


def told_apart(
    one: Sequence[Window], groups: Sequence[int], other: Sequence[Window], others: Sequence[int]
) -> list[float] | None:
    """Test whether a classifier learns to tell two sets of windows apart.

    See `ostinato.core.two_sample.told_apart`; the classifier sees all figures, note lengths,
    intervals and polyphony.

    Parameters
    ----------
    one, other : sequence of Window
    groups, others : sequence of int
        The song of each window. A composed piece counts as the song whose beginning it has.

    Returns
    -------
    list of float, or None
        Balanced accuracy, its mean and standard deviation over five seeds. None if there are fewer
        than five songs in one of the sets.
    """
    vectors = [np.array([_vector(window) for window in windows]) for windows in (one, other)]
    return two_sample.told_apart(vectors[0], groups, vectors[1], others)


def _vector(window: Window) -> np.ndarray:
    shares = [window.histograms[name] for name in ("note_lengths", "intervals", "polyphony")]
    return np.concatenate([list(window.figures.values()), *shares])


def overlaps(
    one: Sequence[Window], groups: Sequence[int], other: Sequence[Window], others: Sequence[int]
) -> dict[str, list[float]]:
    """Compare distances between two sets of windows with those within the second.

    Yang and Lerch (2020, "On the evaluation of generative models in music"). Distances are
    Euclidean; their densities are estimated with Gaussian kernels.

    Parameters
    ----------
    one, other : sequence of Window
        Of more than 256, so many are taken at even distances.
    groups, others : sequence of int
        The song of each window; see `told_apart`. Windows of the same song are not compared.

    Returns
    -------
    dict of str to list of float
        For each feature, the overlap area of the density of distances within the second set and of
        that between both sets, from 0 to 1 (the same), and the Kullback-Leibler distance of the
        second density from the first, in nats. Empty if one of the sets has fewer than three songs.
    """
    if min(len(set(groups)), len(set(others))) < 3:
        return {}
    mine, theirs = _spaced(len(one)), _spaced(len(other))
    of_ours, of_real = np.array(groups)[mine], np.array(others)[theirs]
    within = np.triu(of_real[:, None] != of_real, 1)
    between = of_ours[:, None] != of_real
    found = {}
    for name in (*FIGURES, *HISTOGRAMS):
        ours, real = _values(one, name)[mine], _values(other, name)[theirs]
        found[name] = _overlap(cdist(real, real)[within], cdist(ours, real)[between])
    return found


def _spaced(count: int) -> np.ndarray:
    """Choose up to `MOST` of some windows."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int))


FIGURES = "note_length", "dissonance", "scale_consistency", "groove_consistency"
HISTOGRAMS = "pitch_class_transitions", "note_lengths", "intervals", "polyphony"
"""What `overlaps` compares."""


def _values(windows: Sequence[Window], name: str) -> np.ndarray:
    if name in HISTOGRAMS:
        return np.stack([window.histograms[name] for window in windows])
    return np.array([[window.figures[name]] for window in windows])


def _overlap(within: np.ndarray, between: np.ndarray) -> list[float]:
    every = np.concatenate([within, between])
    # Scott's rule; one width for both, so that equal values do no harm
    width = every.std() * len(within) ** -0.2
    if not width:
        return [1.0, 0.0]
    points = np.linspace(every.min() - 3 * width, every.max() + 3 * width, POINTS)
    p, q = (
        KernelDensity(bandwidth=width).fit(values[:, None]).score_samples(points[:, None])
        for values in (within, between)
    )
    area = trapezoid(np.exp(np.minimum(p, q)), points)
    return [float(area), float(trapezoid(np.exp(p) * (p - q), points))]
