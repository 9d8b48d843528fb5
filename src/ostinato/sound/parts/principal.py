"""Principal components."""

import torch
from torch import Tensor


def principal_axes(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Compute principal components (randomised, Halko et al. 2011).

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
        Orthonormal axes, the one with the largest variance first.
    """
    mean = rows.mean(0)
    q = min(count + 64, *rows.shape)
    return mean, torch.pca_lowrank(rows - mean, q, center=False, niter=3)[2][:, :count]
