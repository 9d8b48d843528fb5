"""Random numbers that depend only on a seed and on names."""

import torch
from torch import Tensor

from ostinato.core.seeds import derive


def uniforms(shape: tuple[int, ...], seed: int, *names: str | int) -> Tensor:
    """Draw uniform random numbers in [0, 1) that depend only on the seed and the names.

    Returns
    -------
    Tensor of float32
        Of the given shape.
    """
    generator = torch.Generator().manual_seed(derive(seed, *names))
    return torch.rand(shape, generator=generator)


def normals(shape: tuple[int, ...], seed: int, *names: str | int) -> Tensor:
    """Draw standard normal random numbers that depend only on the seed and the names.

    Returns
    -------
    Tensor of float32
        Of the given shape.
    """
    generator = torch.Generator().manual_seed(derive(seed, *names))
    return torch.randn(shape, generator=generator)
