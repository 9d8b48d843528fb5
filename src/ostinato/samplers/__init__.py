"""Samplers: how features become a set of notes, one file each, found by name."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn


def build(config: dict[str, Any], features: int, keys: int) -> nn.Module:
    """Build the sampler that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.
    features : int
        Numbers a step that the memory gives.
    keys : int
        Keys (or pitch classes) a step.

    Returns
    -------
    nn.Module
        With ``draws``, ``initial``, ``loss``, ``log_prob`` and ``sample`` as in
        `ostinato.samplers.banning`.
    """
    module = import_module(f"ostinato.samplers.{config['name']}")
    return module.Sampler(
        features,
        keys,
        module.Params(**{key: value for key, value in config.items() if key != "name"}),
    )


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw from categorical distributions with random numbers that are given.

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
