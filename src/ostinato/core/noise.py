"""Random numbers that are a function of a seed and names alone."""

import torch
from torch import Tensor

from ostinato.core.seeds import derive


def uniforms(shape: tuple[int, ...], seed: int, *names: str | int) -> Tensor:
    """Draw random numbers in [0, 1), a function of the seed and the names alone.

    Returns
    -------
    Tensor of float32
        Of the shape given.
    """
    generator = torch.Generator().manual_seed(derive(seed, *names))
    return torch.rand(shape, generator=generator)


def normals(shape: tuple[int, ...], seed: int, *names: str | int) -> Tensor:
    """Draw normally distributed numbers, a function of the seed and the names alone.

    Returns
    -------
    Tensor of float32
        Of the shape given.
    """
    generator = torch.Generator().manual_seed(derive(seed, *names))
    return torch.randn(shape, generator=generator)
