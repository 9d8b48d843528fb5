"""Memories: how the past becomes features, one file each, found by name."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

CLOCK_BITS = 6
"""Bits of the time input: the step's number modulo 64."""


def build(config: dict[str, Any], keys: int) -> nn.Module:
    """Build the memory that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.
    keys : int
        Keys (or pitch classes) a step.

    Returns
    -------
    nn.Module
        With ``features``, ``reach``, ``initial`` and ``forward`` as in
        `ostinato.notes.memory.history_user`.
    """
    module = import_module(f"ostinato.notes.memory.{config['name']}")
    return module.Memory(
        keys, module.Params(**{key: value for key, value in config.items() if key != "name"})
    )


def clock(step: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """Write step numbers modulo 64 in binary, lowest bit first.

    Parameters
    ----------
    step : Tensor[B] of int64
        The first number.
    steps : int
        T, how many numbers from there on.
    dtype : torch.dtype
        Type of the result.

    Returns
    -------
    Tensor[B, T, 6]
        0 and 1.
    """
    numbers = step[:, None] + torch.arange(steps, device=step.device)
    return (numbers[..., None] >> torch.arange(CLOCK_BITS, device=step.device) & 1).to(dtype)
