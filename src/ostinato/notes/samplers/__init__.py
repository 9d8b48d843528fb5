"""Samplers: how features become a set of notes, one file each, found by name."""

from importlib import import_module
from typing import Any

from torch import nn


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
        With ``draws``, ``reach``, ``exact``, ``initial``, ``possible``, ``loss``, ``log_prob`` and
        ``sample`` as in `ostinato.notes.samplers.banning`.
    """
    module = import_module(f"ostinato.notes.samplers.{config['name']}")
    return module.Sampler(
        features,
        keys,
        module.Params(**{key: value for key, value in config.items() if key != "name"}),
    )
