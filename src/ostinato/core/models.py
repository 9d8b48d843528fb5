"""Trained models on disk: ``model.safetensors`` and ``config.json``."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ostinato.core import files
from ostinato.core.errors import UserError


@torch.no_grad()
def write_model(out: Path, module: nn.Module, config: dict[str, Any]) -> None:
    """Write a model.

    Parameters
    ----------
    out : Path
        A folder.
    module : nn.Module
        Its weights are rounded to half precision, in which they are written: the same bytes for
        the same weights.
    config : dict
        All that is needed to build the module.

    Raises
    ------
    UserError
        When a weight is too large for half precision.
    """
    state = module.state_dict()
    halves = {name: v.half() if v.is_floating_point() else v for name, v in state.items()}
    for name, value in halves.items():
        if not value.isfinite().all():
            raise UserError(f"{name} is too large to be written; lower training.learning_rate")
        state[name].copy_(value)
    files.write(out / "model.safetensors", save(halves))
    files.write_json(out / "config.json", config)


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model that `write_model` wrote.

    Parameters
    ----------
    folder : Path
        Where it lies.

    Returns
    -------
    dict
        The content of its config.json.
    dict of str to Tensor
        Its weights.

    Raises
    ------
    UserError
        When there is no model.
    """
    if not all((folder / name).exists() for name in ("config.json", "model.safetensors")):
        raise UserError(
            f"{folder} holds no model; `dvc pull --allow-missing` or `dvc repro` brings it"
        )
    config = files.read_json(folder / "config.json")
    return config, load_file(folder / "model.safetensors")


def weights_of(module: nn.Module) -> int:
    """Count the weights of a module."""
    return sum(weight.numel() for weight in module.parameters())
