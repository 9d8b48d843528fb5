"""Sampling from categorical distributions, given the random numbers."""

import torch
from torch import Tensor

SCALE = 2.0**45
"""The integer that `whole` turns the largest probability into."""


def wide(values: Tensor) -> Tensor:
    """Convert logits to at least single precision; the shape stays the same."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def whole(probabilities: Tensor) -> Tensor:
    """Scale probabilities to integers, whose sums are exact in any order.

    CUDA sums floating-point numbers in an order that varies.

    Parameters
    ----------
    probabilities : Tensor[..., N]
        Non-negative, with any positive sum. N is at most 2^17.

    Returns
    -------
    Tensor[..., N] of int64
        Proportional to the probabilities; 0 for those below 2^-45 of the largest.
    """
    return (probabilities.double() / probabilities.amax(-1, keepdim=True) * SCALE).long()


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one outcome from each categorical distribution.

    Parameters
    ----------
    probabilities : Tensor[..., N]
        Non-negative, with any positive sum. N is at most 2^17.
    uniforms : Tensor[...]
        Uniform random numbers in [0, 1).

    Returns
    -------
    Tensor[...] of int64
        Indices below N. An outcome of probability 0 is never drawn.
    """
    cumulative = whole(probabilities).cumsum(-1)
    total = cumulative[..., -1]
    # The product can round up to the total itself, which would point past the last outcome.
    point = torch.minimum((uniforms.double() * total).long(), total - 1)
    return (cumulative <= point[..., None]).sum(-1)


def draw_at(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Draw one outcome from each categorical distribution at a temperature.

    Parameters
    ----------
    logits : Tensor[..., N]
        Log-probabilities, up to an additive constant.
    uniforms : Tensor[...]
        Uniform random numbers in [0, 1).
    temperature : float
        Outcomes are drawn with probability proportional to p^(1/temperature). At 0, the most
        probable outcome is taken.

    Returns
    -------
    Tensor[...] of int64
        Indices below N.
    """
    if temperature == 0:
        return logits.argmax(-1)
    return draw((logits / temperature).softmax(-1), uniforms)


def sharpen(logits: Tensor, temperature: float) -> Tensor:
    """Return the log-probabilities with which `draw_at` draws: Tensor[..., N] to the same shape.

    Some of the logits have to be finite.
    """
    if temperature == 0:
        likeliest = torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1)
        return likeliest.log()
    return (logits / temperature).log_softmax(-1)
