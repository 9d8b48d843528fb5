"""Trained models on disk: ``model.safetensors`` and ``config.json``."""

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from ostinato.core import files, tensor_file
from ostinato.core.errors import UserError

# DVC believes what is write-protected in its cache, and would bring the same damaged file again.
REMEDY = (
    "remove its folder, `chmod -R u+w .dvc/cache`, then `dvc pull --allow-missing` or `dvc repro` "
    "brings it anew"
)


def write_model(out: Path, module: nn.Module, config: dict[str, Any]) -> None:
    """Write the weights and the configuration of a model.

    Parameters
    ----------
    out : Path
        The folder to write to.
    module : nn.Module
        Its weights are written in half precision; the same weights give the same bytes. The module
        itself is not changed.
    config : dict
        Everything that is needed to build the module.

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
    tensor_file.write(out / "model.safetensors", halves, {"config": _digest(config)})
    files.write_json(out / "config.json", config)


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model that `write_model` wrote.

    Parameters
    ----------
    folder : Path
        The folder of the model.

    Returns
    -------
    dict
        The content of its config.json.
    dict of str to Tensor
        Its weights.

    Raises
    ------
    UserError
        When there is no model in the folder, or a damaged one.
    """
    if not all((folder / name).exists() for name in ("config.json", "model.safetensors")):
        raise UserError(
            f"{folder} holds no model; `dvc pull --allow-missing` or `dvc repro` brings it"
        )
    config = files.read_json(folder / "config.json")
    weights, about = tensor_file.read(folder / "model.safetensors", REMEDY)
    if about["config"] != _digest(config):
        raise UserError(
            f"{folder / 'config.json'} is not what it was when it was written; {REMEDY}"
        )
    return config, weights


def _digest(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def load_weights(module: nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    """Give a module the weights that `read_model` read.

    Parameters
    ----------
    module : nn.Module
    weights : dict of str to Tensor
    folder : Path
        Where they are from, for the message.

    Raises
    ------
    UserError
        When the module has other weights.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{folder} holds another kind of model, or one of another version; train it anew"
        ) from error


def begins_from(folder: Path) -> list[Path]:
    """List the files of a model that a training begins from.

    Parameters
    ----------
    folder : Path
        What `write_model` wrote, or an empty folder.

    Returns
    -------
    list of Path
        None if the folder is empty: training begins with random weights.

    Raises
    ------
    UserError
        When there is something else in the folder.
    """
    # That a folder exists which somebody names is for DVC to see.
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return []
    read_model(folder)
    return [folder / "config.json", folder / "model.safetensors"]


def begin(module: nn.Module, folder: Path, weights: dict[str, Tensor]) -> None:
    """Give a model the weights of another, with the same names and shapes.

    Parameters
    ----------
    module : nn.Module
    folder : Path
        That of the other model, for the message.
    weights : dict of str to Tensor
        Its weights.

    Raises
    ------
    UserError
        When the models have different weights.
    """
    own = module.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        shapes = [list(all_[name].shape) if name in all_ else "none" for all_ in (weights, own)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"{folder}: a model of other sizes, its {name} has {shapes[0]} numbers, not "
                f"{shapes[1]}; change params.yaml to what its config.json says"
            )
    module.load_state_dict({name: value.to(own[name].dtype) for name, value in weights.items()})


def build(package: str, config: dict[str, Any], *args: Any, **more: Any) -> nn.Module:
    """Build the model that a configuration names, with untrained weights.

    Parameters
    ----------
    package : str
        The package of the model, such as ``ostinato.notes.memory``. Each of its modules defines
        ``Model``, and ``Params``, the schema of its parameters.
    config : dict
        ``name``, which is the name of the module, and the parameters.
    *args, **more
        Arguments of ``Model`` before and after the parameters.

    Raises
    ------
    UserError
        When the parameters do not match the model's ``Params``.
    """
    module = import_module(f"{package}.{config['name']}")
    values = {key: value for key, value in config.items() if key != "name"}
    try:
        params = module.Params(**values)
    except ValidationError as error:
        raise UserError(
            f"a model of {config['name']} has other parameters than this version; train it anew"
        ) from error
    return module.Model(*args, params, **more)


def weights_of(module: nn.Module) -> int:
    """Count the weights of a module."""
    return sum(weight.numel() for weight in module.parameters())
