"""The one training loop: best model, early stopping, and going on after an interruption."""

import ctypes
import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import torch
from filelock import AcquireReturnProxy, FileLock, Timeout
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.core.schema import Schema, Training

CURVE_COLUMNS = ["step", "train", "valid"]
HASHED = 1 << 20
"""Bytes of a file that are in memory while it is hashed."""


def prepare(threads: int, seed: int) -> None:
    """Set torch up so that the same seed gives the same bytes.

    Parameters
    ----------
    threads : int
        Threads of one operation; another number rounds differently.
    seed : int
        For the initial weights.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # It would also fill the memory of every new tensor, which costs a sixth of a training's time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.manual_seed(seed)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step.

    Otherwise glibc hands every large tensor back to the system when it is freed, and each training
    step spends a third of its time on page faults.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def fingerprint(params: dict[str, Any], inputs: list[Path]) -> str:
    """Hash all that decides what a training gives: parameters, data and code.

    Parameters
    ----------
    params : dict
        Everything of params.yaml that the training uses; models of pydantic are taken apart.
    inputs : list of Path
        Files it reads.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    plain = {k: v.model_dump() if isinstance(v, Schema) else v for k, v in params.items()}
    digest = hashlib.sha256(json.dumps([torch.__version__, plain], sort_keys=True).encode())
    modules = [m for name, m in sys.modules.items() if name.split(".")[0] == "ostinato"]
    code = [Path(m.__file__) for m in modules if m.__file__]
    for path in sorted(code) + inputs:
        with path.open("rb") as file:
            while block := file.read(HASHED):
                digest.update(block)
    return digest.hexdigest()[:32]


def computes_bfloat16(device: str, precision: str) -> bool:
    """Say whether a training computes in bfloat16.

    Parameters
    ----------
    device : str
        Type of the device, such as ``"cpu"``.
    precision : str
        ``"auto"`` is bfloat16 on a device that has instructions for it, float32 on any other.

    Raises
    ------
    UserError
        When bfloat16 is asked for and the device cannot run an LSTM in it.
    """
    if device == "cpu":
        able = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        fast = able and (
            platform.machine() not in ("x86_64", "AMD64")
            or torch.cpu._is_avx512_bf16_supported()
            or torch.cpu._is_amx_tile_supported()
        )
    else:
        able = fast = device == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bfloat16" and not able:
        raise UserError(
            "training.precision is bfloat16, which this processor cannot compute in; "
            "choose auto or float32"
        )
    return precision == "bfloat16" or (precision == "auto" and fast)


def cache_folder() -> Path:
    """The folder of checkpoints: ``$OSTINATO_CACHE``, or one in the user's cache folder."""
    folder = os.environ.get("OSTINATO_CACHE")
    return Path(folder) if folder else platformdirs.user_cache_path("ostinato")


def train(
    module: nn.Module,
    batch: Callable[[int], tuple[Any, ...]],
    validate: Callable[[], float],
    settings: Training,
    key: str,
    what: str,
    optimizer: Callable[..., Optimizer] = torch.optim.Adam,
    average: float = 0.0,
    told: Callable[[dict[str, float]], None] = lambda row: None,
) -> list[dict[str, float]]:
    """Train a module and leave the best weights in it.

    The learning rate falls along half a cosine. Training ends after ``max_steps``, or when
    ``patience`` validations in a row have brought nothing better. If wanted, what is validated and
    kept is a moving average of the weights (Polyak and Juditsky, 1992), which moves faster at
    first. A checkpoint is written at every validation, and a training with the same key goes on
    from it and ends with the same weights as if it had never been interrupted.

    Parameters
    ----------
    module : nn.Module
        Its ``forward`` takes what `batch` gives and returns the loss.
    batch : callable
        From a step's number, from 0 on, to the arguments of ``forward``; a function of that number
        alone.
    validate : callable
        Computes the validation loss of the module as it is.
    settings : Training
        The section of params.yaml.
    key : str
        `fingerprint` of the training.
    what : str
        What is trained, for the progress bar.
    optimizer : callable
        Makes an optimiser such as Adam from weights, ``lr`` and ``eps``.
    average : float
        Share of the average that each step leaves as it is; 0: weights are not averaged.
    told : callable
        Is told each row of the history when it is there.

    Returns
    -------
    list of dict
        ``step``, mean training loss since the validation before (``train``) and validation loss
        (``valid``), a validation each.

    Raises
    ------
    UserError
        When the loss is no number any more, when the processor cannot compute in the precision
        that is asked for, or when the DVC process that started the training has ended: what it
        would write, nobody would take. The checkpoint stands.
    """
    parent = os.getppid()
    folder = cache_folder() / key
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder, what):
        run = _Run(module, settings, folder / "checkpoint.safetensors", optimizer, average)
        run.load()
        for step in progress(run.steps(), settings.max_steps, what, run.step):
            run.update(batch(step))
            if run.step % settings.validate_every == 0 or run.step == settings.max_steps:
                with run.averaged():
                    run.validated(validate())
                told(run.history[-1])
                run.save()
            if "DVC_STAGE" in os.environ and os.getppid() != parent:
                run.save()
                raise UserError(f"{what}: dvc has ended; stopped after step {run.step}")
        module.load_state_dict(run.best)
        run.path.unlink(missing_ok=True)
        return run.history


def _lock(folder: Path, what: str) -> AcquireReturnProxy:
    lock = FileLock(folder / "lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"{what}: waiting for another process that trains the same", file=sys.stderr)
        return lock.acquire()


class _Run:
    """A training under way: all that a checkpoint holds."""

    def __init__(
        self,
        module: nn.Module,
        settings: Training,
        path: Path,
        optimizer: Callable[..., Optimizer],
        share: float,
    ):
        self.module = module
        self.settings = settings
        self.path = path
        self.share = share
        self.device = next(module.parameters()).device.type
        self.bfloat16 = computes_bfloat16(self.device, settings.precision)
        self.average = {n: p.detach().clone() for n, p in module.named_parameters() if share}
        self.optimizer = optimizer(
            module.parameters(), lr=settings.learning_rate, eps=settings.epsilon
        )
        self.best = {name: value.clone() for name, value in module.state_dict().items()}
        self.best_loss = math.inf
        self.step = 0
        self.waited = 0
        self.losses: list[float] = []
        self.history: list[dict[str, float]] = []

    def steps(self) -> Iterator[int]:
        while self.step < self.settings.max_steps and self.waited < self.settings.patience:
            yield self.step

    def update(self, arguments: tuple[Any, ...]) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        self.module.train()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            loss = self.module(*arguments)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.module.parameters(), self.settings.clip)
        self.optimizer.step()
        self.losses.append(loss.item())
        if not math.isfinite(self.losses[-1]):
            raise UserError(
                f"the loss is {self.losses[-1]} at step {self.step}; lower training.learning_rate"
            )
        self.step += 1
        self._follow()

    @torch.no_grad()
    def _follow(self) -> None:
        kept = min(self.share, self.step / (self.step + 10))
        weights = dict(self.module.named_parameters())
        for name, value in self.average.items():
            value.lerp_(weights[name], 1 - kept)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the module have the averaged weights for a while."""
        if not self.average:
            yield
            return
        own = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(own | self.average)
        try:
            yield
        finally:
            self.module.load_state_dict(own)

    def _rate(self) -> float:
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.settings.max_steps))
        last = self.settings.final_rate
        return self.settings.learning_rate * (last + (1 - last) * fall)

    def validated(self, loss: float) -> None:
        mean = sum(self.losses) / len(self.losses)
        self.history.append({"step": self.step, "train": mean, "valid": loss})
        self.losses = []
        self.waited += 1
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best = {name: value.clone() for name, value in self.module.state_dict().items()}

    def save(self) -> None:
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        plain = {
            "step": self.step,
            "waited": self.waited,
            "losses": self.losses,
            "history": self.history,
            "best_loss": self.best_loss,
        }
        files.write(self.path, save(tensors, {"state": json.dumps(plain)}))

    def load(self) -> None:
        if not self.path.exists():
            return
        with safe_open(self.path, "pt") as file:
            plain = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        vars(self).update(plain)

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.module.load_state_dict(under("module."))
        self.best = under("best.")
        for name, value in under("average.").items():
            self.average[name].copy_(value)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in under("optimizer.").items():
            index, field = name.split(".")
            state.setdefault(int(index), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def write_curves(out: Path, history: list[dict[str, float]]) -> dict[str, float]:
    """Write a training's ``curves.tsv``.

    Parameters
    ----------
    out : Path
        A folder.
    history : list of dict
        As from `train`.

    Returns
    -------
    dict
        The row of the best step, whose weights the model has; empty without a history.
    """
    files.write_table(out / "curves.tsv", CURVE_COLUMNS, history, delimiter="\t")
    return best_of(history)


def best_of(history: list[dict[str, float]]) -> dict[str, float]:
    """Give the row of a history whose validation loss is lowest; empty without a history."""
    return min(history, key=lambda row: row["valid"], default={})
