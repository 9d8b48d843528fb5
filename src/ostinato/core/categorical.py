"""Drawing from categorical distributions with random numbers that are given."""

import torch
from torch import Tensor


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw from categorical distributions.

    Parameters
    ----------
    probabilities : Tensor[..., N]
        Not negative, of any positive sum.
    uniforms : Tensor[...]
        In [0, 1).

    Returns
    -------
    Tensor[...] of int64
        Indices below N, never one of probability 0.
    """
    cumulative = probabilities.cumsum(-1)
    total = cumulative[..., -1]
    # u * total can round up to the total itself, which would point behind the last outcome.
    point = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return (cumulative <= point[..., None]).sum(-1)


def draw_at(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Draw at a temperature.

    Parameters
    ----------
    logits : Tensor[..., N]
        Log-probabilities, up to a constant.
    uniforms : Tensor[...]
        In [0, 1).
    temperature : float
        Outcomes are drawn with probability proportional to p^(1/temperature); at 0 the most
        probable is taken.

    Returns
    -------
    Tensor[...] of int64
        Indices below N.
    """
    if temperature == 0:
        return logits.argmax(-1)
    return draw((logits / temperature).softmax(-1), uniforms)
