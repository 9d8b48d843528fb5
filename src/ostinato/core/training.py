"""The training loop of all models: best weights, early stopping, and resuming."""

import ctypes
import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel

from ostinato.core import cache, code, files, tensor_file
from ostinato.core.errors import UserError
from ostinato.core.locks import awaited, locked
from ostinato.core.models import weights_of, write_model
from ostinato.core.progress import progress
from ostinato.core.schema import Training
from ostinato.core.seeds import derive

History = list[dict[str, float]]
"""One row for each validation: ``step``, the mean training loss since the previous validation
(``train``), and the validation loss (``valid``)."""

OPTIMIZERS = {"adam": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}

HASHED = 1 << 20
"""The number of bytes that are read at a time to hash a file."""


@dataclass(frozen=True)
class Task:
    """Everything that a training needs, and everything that determines its result.

    Attributes
    ----------
    what : str
        What is trained, for the progress bar and messages.
    model : nn.Module
        Its ``forward`` takes what `batch` returns as arguments, and returns the loss.
    config : dict
        The content of the model's config.json.
    batch : callable
        From the number of a step, counted from 0, to the arguments of ``forward``. It depends only
        on that number.
    validate : callable
        Computes the validation loss of the model with its current weights.
    settings : Training
        The training parameters.
    seed : int
        The seed for randomness inside the model, such as dropout.
    inputs : list of Path
        The files that `batch` and `validate` read.
    used : dict
        Anything else that determines the result; it can be written as JSON.
    finish : callable
        Called after training, when the model has its best weights.
    """

    what: str
    model: nn.Module
    config: dict[str, Any]
    batch: Callable[[int], tuple[Any, ...]]
    validate: Callable[[], float]
    settings: Training
    seed: int
    inputs: list[Path]
    used: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[], None] = lambda: None


def prepare(threads: int, seed: int) -> None:
    """Set up PyTorch so that the same seed gives the same bytes.

    Parameters
    ----------
    threads : int
        The number of threads of an operation. Another number rounds differently.
    seed : int
        The seed for the initial weights.
    """
    torch.set_num_threads(threads)
    # NumPy's products take as many as there are cores, which differ from machine to machine.
    threadpool_limits(threads, user_api="blas")
    # Without this, CUDA's matrix products are not deterministic, which is an error in this mode.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As `use_deterministic_algorithms`, which takes a second to import the compiler.
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode would also fill every new tensor, which takes a sixth of the training time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.manual_seed(seed)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step.

    Otherwise glibc returns the memory of every large tensor to the system when it is freed, and
    each training step spends a third of its time on page faults.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def computes_bfloat16(device: str, precision: str) -> bool:
    """Decide whether a training computes in bfloat16.

    Parameters
    ----------
    device : str
        The type of the device, such as ``"cpu"``.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 if the device has instructions for
        it, otherwise float32.

    Raises
    ------
    UserError
        When bfloat16 is requested and the device cannot run an LSTM in it.
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


def mean_loss(losses: Iterable[tuple[float, float]]) -> float:
    """Average the mean losses of batches, weighted by their sizes.

    Parameters
    ----------
    losses : iterable of tuple of float
        For each batch, its mean loss and the number of examples that this is the mean of.
    """
    total, weight = 0.0, 0.0
    for loss, count in losses:
        total, weight = total + loss * count, weight + count
    return total / weight


def fingerprint(task: Task) -> str:
    """Hash everything that determines the result of a training: parameters, data and code.

    The code is that of the model and of the functions that make batches and validate, with
    everything they import. Changing another model does not invalidate a checkpoint.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    device = next(task.model.parameters()).device.type
    decides = [
        torch.__version__,
        torch.get_num_threads(),
        device,
        task.seed,
        task.config,
        task.settings.model_dump(),
        computes_bfloat16(device, task.settings.precision),
        task.used,
    ]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    for path in sorted(_code_of(task)) + task.inputs:
        with path.open("rb") as file:
            while block := file.read(HASHED):
                digest.update(block)
    return digest.hexdigest()[:32]


def _code_of(task: Task) -> list[Path]:
    modules = {type(part).__module__ for part in task.model.modules()}
    modules |= {task.batch.__module__, task.validate.__module__, __name__}
    found = code.files_of(name for name in modules if code.file_of(name))
    return [path for name, path in found.items() if name not in code.HARMLESS]


def fit(task: Task, told: Callable[[History], None] = lambda history: None) -> History:
    """Train a model, leave the best weights in it, and finish it.

    The learning rate falls along half a cosine. Training ends after ``max_steps``, or after
    ``patience`` validations in a row without improvement; if that is 0, it does not end early, and
    the last weights are kept. With ``ema_decay``, a moving average of the weights is validated and
    kept (Polyak and Juditsky, 1992); its decay is lower in the first steps.

    A checkpoint is written at every validation. If the same task is run again, it resumes from the
    checkpoint and ends with the same weights as without the interruption. If another process is
    training the same task, this one waits and takes the result.

    Parameters
    ----------
    task : Task
        What to train.
    told : callable
        Called after each validation with the history so far, while the model has the weights that
        were validated.

    Returns
    -------
    History

    Raises
    ------
    UserError
        When the loss is not finite, when the processor cannot compute in the requested precision,
        or when the DVC process that started the training has ended, since nothing would use the
        result. In the last case, a checkpoint is written first.
    """
    parent = os.getppid()
    checkpoints = cache.folder(cache.CHECKPOINTS)
    cache.remove_old(checkpoints)
    folder = checkpoints / fingerprint(task)
    settings = task.settings
    run = _Run(task, folder / "checkpoint.safetensors")
    with locked(folder, task.what):
        run.load()
        for step in progress(run.steps(), settings.max_steps, task.what, run.step):
            torch.manual_seed(derive(task.seed, "step", step))
            run.update(task.batch(step))
            if run.step % settings.validate_every == 0 or run.step == settings.max_steps:
                torch.manual_seed(derive(task.seed, "valid"))
                with run.averaged():
                    run.validated(task.validate())
                run.save()
                with run.averaged():
                    told(run.history)
            if "DVC_STAGE" in os.environ and os.getppid() != parent:
                run.save()
                raise UserError(f"{task.what}: dvc has ended; stopped after step {run.step}")
        task.model.load_state_dict(run.best)
        task.model.eval()
        task.finish()
        if not awaited(folder):
            run.path.unlink()
        return run.history


class _Run:
    """The state of a training: everything that a checkpoint contains."""

    def __init__(self, task: Task, path: Path):
        settings = task.settings
        self.module, self.settings, self.path = task.model, settings, path
        self.device = next(task.model.parameters()).device.type
        self.bfloat16 = computes_bfloat16(self.device, settings.precision)
        self.optimizer = OPTIMIZERS[settings.optimizer](
            task.model.parameters(),
            lr=settings.learning_rate,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
        lowest = settings.learning_rate * settings.lr_min_factor
        self.scheduler = CosineAnnealingLR(self.optimizer, settings.max_steps, lowest)
        self.average = None
        if settings.ema_decay:
            self.average = AveragedModel(task.model, multi_avg_fn=_moving(settings.ema_decay))
        self.best = _copied(task.model)
        self.best_loss = math.inf
        self.step = 0
        self.waited = 0
        self.losses: list[float] = []
        self.history: History = []

    def steps(self) -> Iterator[int]:
        patience = self.settings.patience or math.inf
        while self.step < self.settings.max_steps and self.waited < patience:
            yield self.step

    def update(self, arguments: tuple[Any, ...]) -> None:
        self.module.train()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            loss = self.module(*arguments)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.module.parameters(), self.settings.clip)
        self.optimizer.step()
        self.scheduler.step()
        self.losses.append(loss.item())
        if not math.isfinite(self.losses[-1]):
            raise UserError(
                f"the loss is {self.losses[-1]} at step {self.step}; lower training.learning_rate"
            )
        self.step += 1
        if self.average:
            self.average.update_parameters(self.module)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the module the averaged weights, if there are any, within the context."""
        if self.average is None:
            yield
            return
        own = _copied(self.module)
        self.module.load_state_dict(self.average.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(own)

    def validated(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(f"the validation loss is {loss} at step {self.step}")
        mean = sum(self.losses) / len(self.losses)
        self.history.append({"step": self.step, "train": mean, "valid": loss})
        self.losses = []
        self.waited += 1
        if loss < self.best_loss or not self.settings.patience:
            self.best_loss, self.waited = loss, 0
            self.best = _copied(self.module)

    def save(self) -> None:
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        if self.average:
            tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        plain = {
            "step": self.step,
            "waited": self.waited,
            "losses": self.losses,
            "history": self.history,
            "best_loss": self.best_loss,
        }
        rates = {"rates": [group["lr"] for group in self.optimizer.param_groups]}
        # Tensors in a model's state may share memory, which safetensors does not allow.
        tensors = {name: value.clone() for name, value in tensors.items()}
        tensor_file.write(self.path, tensors, plain | rates)

    def load(self) -> None:
        if not self.path.exists():
            return
        remedy = "remove it, and training begins anew"
        tensors, plain = tensor_file.read(self.path, remedy)
        rates = plain.pop("rates")
        vars(self).update(plain)

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.module.load_state_dict(under("module."))
        self.best = under("best.")
        if self.average:
            self.average.load_state_dict(under("average."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in under("optimizer.").items():
            index, name = name.split(".")
            state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.scheduler.last_epoch = self.step


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _moving(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """Make the function that updates averaged weights; its decay is lower in the first steps."""

    def move(averages: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        step = int(count) + 1
        torch._foreach_lerp_(averages, weights, 1 - min(decay, step / (step + 10)))

    return move


def fit_and_write(task: Task, out: Path, results: Path) -> None:
    """Train a model, then write it and its history.

    After each validation, the weights as they are then are written as well, for those who watch.

    Parameters
    ----------
    task : Task
        What to train.
    out, results : Path
        The folders for the model and for its history.
    """

    def write(history: History) -> None:
        write_model(out, task.model, task.config)
        write_history(results, history, weights_of(task.model), last=not task.settings.patience)

    def show(history: History) -> None:
        with suppress(UserError):  # weights that are too large are no error before the end
            write(history)

    write(fit(task, show))


def write_history(
    results: Path, history: History, weights: int, last: bool = False, **more: Any
) -> None:
    """Write ``training.json``, with the row that was kept, and ``curves.tsv``, with all rows.

    Parameters
    ----------
    results : Path
        The folder to write to.
    history : History
        Empty if nothing was trained.
    weights : int
        The number of weights of the model.
    last : bool
        Whether the last weights were kept, and not the best ones.
    **more
        Additional entries of ``training.json``.
    """
    rows = files.rounded(history)
    files.write_table(results / "curves.tsv", ["step", "train", "valid"], rows, delimiter="\t")
    kept = history[-1] if last else best_of(history)
    files.write_metrics(results / "training.json", {"weights": weights, **kept, **more})


def best_of(history: History) -> dict[str, float]:
    """Return the row of a history with the lowest validation loss; empty if there are no rows."""
    return min(history, key=lambda row: row["valid"], default={})
