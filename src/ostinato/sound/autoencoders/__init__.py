"""Autoencoders: a quarter of a second of sound as 512 numbers, one file each, found by name."""

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from ostinato.core.models import read_model

SIZE = 512
"""Numbers of a frame: the machine's own score."""


def build(config: dict[str, Any]) -> nn.Module:
    """Build the autoencoder that a configuration names.

    Parameters
    ----------
    config : dict
        ``name`` and the parameters of that module's ``Params``.

    Returns
    -------
    nn.Module
        With ``content``, ``overlap``, ``start``, ``finish``, ``forward``, ``encode``, ``decode``
        and ``complete`` as in `ostinato.sound.autoencoders.conv`.
    """
    module = import_module(f"ostinato.sound.autoencoders.{config['name']}")
    return module.Autoencoder(
        module.Params(**{key: value for key, value in config.items() if key != "name"})
    )


def load(folder: Path) -> nn.Module:
    """Build a trained autoencoder from its folder."""
    config, weights = read_model(folder)
    model = build(config["autoencoder"])
    model.load_state_dict(weights)
    return model.eval()
