"""Principal components."""

import torch
from torch import Tensor

UNIT = 2**-20
"""Axes are rounded to multiples of this."""


def principal_axes(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Compute principal components (randomised, Halko et al. 2011).

    They are computed in double precision and rounded, since linear algebra libraries round
    differently from one processor, and even from one run, to the next.

    Parameters
    ----------
    rows : Tensor[N, D]
    count : int
        The number of components; fewer if there are fewer rows or columns.

    Returns
    -------
    Tensor[D]
        The mean.
    Tensor[D, count]
        Axes, orthonormal but for the rounding; the one with the largest variance first.
    """
    centred = rows.to(torch.float64, copy=True)
    mean = centred.mean(0)
    centred -= mean
    q = min(count + 64, *rows.shape)
    axes = torch.pca_lowrank(centred, q, center=False, niter=3)[2][:, :count]
    return mean.to(rows), ((axes / UNIT).round() * UNIT).to(rows)
