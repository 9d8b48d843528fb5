"""Decoders: 12 pitch classes to 88 keys, one file each, found by name."""

from importlib import import_module
from typing import Any

from torch import nn


def build(config: dict[str, Any]) -> nn.Module:
    """Build the decoder that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.

    Returns
    -------
    nn.Module
        With ``draws``, ``reach``, ``exact``, ``initial``, ``forward``, ``log_prob``, ``sample``,
        ``classes``, ``follow`` and ``likeliest`` as in `ostinato.notes.decoders.lstm`.
    """
    module = import_module(f"ostinato.notes.decoders.{config['name']}")
    return module.Decoder(
        module.Params(**{key: value for key, value in config.items() if key != "name"})
    )
