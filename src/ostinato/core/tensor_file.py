"""Files of tensors, in the format of safetensors, with a hash by which damage is noticed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ostinato.core import files
from ostinato.core.errors import UserError

ABOUT = "ostinato"
"""The only key of the metadata: the order of several would differ between processes."""


def write(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors; the same tensors give the same bytes.

    Parameters
    ----------
    path : Path
    tensors : dict of str to Tensor
        They may not share memory.
    about : dict
        What else the file says; it can be written as JSON.
    """
    known = {"sha256": _digest(tensors, about), "about": about}
    files.write(path, save(tensors, {ABOUT: json.dumps(known)}))


def read(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do if the file is damaged, for the message.

    Returns
    -------
    dict of str to Tensor
        The tensors.
    dict
        What else the file says.

    Raises
    ------
    UserError
        When the file is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        damaged = known["sha256"] != _digest(tensors, known["about"])
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        damaged = True
    if damaged:
        raise UserError(f"{path} is damaged, or of an earlier version; {remedy}")
    return tensors, known["about"]


def _digest(tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(save(tensors))
    return digest.hexdigest()
