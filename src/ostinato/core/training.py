"""The training loop of all models: best weights, early stopping, and resuming.

A training may run in several processes, each on a device of its own, by Lightning Fabric. Each
process makes the whole batch of a step and computes its own share of it. The gradients are those of
the whole batch, so one process gives the same losses, up to rounding.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache as once
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel

from ostinato.core import cache, code, files, ranks, tensor_file
from ostinato.core.devices import computes_bfloat16, device_of
from ostinato.core.errors import UserError
from ostinato.core.locks import awaited, locked
from ostinato.core.models import weights_of, write_model
from ostinato.core.progress import progress
from ostinato.core.schema import Training
from ostinato.core.seeds import derive

Result = TypeVar("Result")

History = list[dict[str, float]]
"""One row for each validation: ``step``, the mean training loss since the previous validation
(``train``), and the validation loss (``valid``)."""

OPTIMIZERS = {"adam": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}

PATIENT = timedelta(days=30)
"""How long processes wait for what the first one does, which may wait for another training."""

HASHED = 1 << 20
"""The number of bytes that are read at a time to hash a file."""


Arguments = tuple[Any, ...]


def rows(arguments: Arguments, which: slice) -> Arguments:
    """Take rows of a batch, which are the first dimension of each tensor."""
    return apply_to_collection(arguments, Tensor, lambda tensor: tensor[which])


def count(arguments: Arguments) -> float:
    """Count the rows of a batch."""
    return float(len(arguments[0]))


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
        From the number of a part of the validation data, counted from 0, to its mean loss, with the
        current weights, and the number of examples that this is the mean of.
    settings : Training
        The training parameters.
    seed : int
        The seed for randomness inside the model, such as dropout.
    inputs : list of Path
        The files that `batch` and `validate` read.
    parts : int
        The number of parts of the validation data.
    weight : callable
        From the arguments of ``forward`` to the number of examples that its loss is the mean of.
    share : callable
        From these arguments and a slice to those of some of the rows of the batch.
    used : dict
        Anything else that determines the result; it can be written as JSON.
    finish : callable
        Called after training, when the model has its best weights.
    """

    what: str
    model: nn.Module
    config: dict[str, Any]
    batch: Callable[[int], Arguments]
    validate: Callable[[int], tuple[float, float]]
    settings: Training
    seed: int
    inputs: list[Path]
    parts: int = 1
    weight: Callable[[Arguments], float | Tensor] = count
    share: Callable[[Arguments, slice], Arguments] = rows
    used: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[], None] = lambda: None


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
    if not weight:
        raise UserError("nothing in the validation data can be counted; add more of it")
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
    device = device_of(task.model).type
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
        Called in the first process after each validation, with the history so far, while the model
        has the weights that were validated. If it fails, all processes end.

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
    checkpoints = cache.folder(cache.CHECKPOINTS)
    folder = checkpoints / fingerprint(task)
    settings = task.settings
    device = device_of(task.model).type
    fabric = _fabric(device, *_processes(settings, device))
    run = _Run(task, folder / "checkpoint.safetensors", fabric)
    with _alone(fabric, checkpoints, folder, task.what):
        run.load()
        steps = progress(run.steps(), settings.max_steps, task.what, run.step)
        with closing(_ahead(task, fabric, run.step, settings.max_steps)) as batches:
            for step, arguments in zip(steps, batches, strict=False):
                torch.manual_seed(derive(task.seed, "step", step) + fabric.global_rank)
                run.update(arguments)
                due = run.step % settings.validate_every == 0 or run.step == settings.max_steps
                if due:
                    torch.manual_seed(derive(task.seed, "valid"))
                    with run.averaged():
                        run.validate()
                    run.save()
                    with run.averaged():
                        _by_first(fabric, lambda: told(run.history))
                # Several processes agree when they wait for each other anyway.
                if (due or fabric.world_size == 1) and _by_first(fabric, ranks.orphaned):
                    run.save()
                    raise UserError(f"{task.what}: dvc has ended; stopped after step {run.step}")
        task.model.load_state_dict(run.best)
        task.model.eval()
        task.finish()
        if fabric.is_global_zero and not awaited(folder):
            run.path.unlink(missing_ok=True)
        return run.history


def _processes(settings: Training, device: str) -> tuple[int, int, str]:
    """How many devices of how many machines a training uses, and how they work together."""
    there = torch.cuda.device_count() if device == "cuda" else math.inf
    if settings.devices > there:
        raise UserError(f"training.devices is {settings.devices}, but there are {there} GPUs here")
    together = settings.devices * settings.nodes
    if settings.batch < together:
        raise UserError(
            f"a batch of {settings.batch} cannot be divided among {together} devices; raise batch, "
            "or lower training.devices or training.nodes"
        )
    return settings.devices, settings.nodes, settings.strategy


@once
def _fabric(device: str, devices: int, nodes: int, strategy: str) -> Fabric:
    """Start the processes of a training, unless they are there already."""
    threads = torch.get_num_threads()
    if devices * nodes > 1:
        several = DDPStrategy(find_unused_parameters=strategy == "ddp_find_unused_parameters")
        plugins = []
    else:
        several, plugins = "auto", [LightningEnvironment()]  # whatever the batch system has started
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy=several,
        plugins=plugins,
    )
    if "LT_CLI_USED" not in os.environ:  # `fabric run` has started them
        fabric.launch()
    torch.set_num_threads(threads)  # which launching changes
    return fabric


def _ahead(task: Task, fabric: Fabric, first: int, end: int) -> Iterator[Arguments]:
    """Make batches in another thread, one ahead, and move this process's share to its device."""
    size = task.settings.batch
    bounds = [size * rank // fabric.world_size for rank in range(fabric.world_size + 1)]
    own = slice(*bounds[fabric.global_rank : fabric.global_rank + 2])

    def make(step: int) -> Arguments:
        whole = task.batch(step)
        made = whole if fabric.world_size == 1 else task.share(whole, own)
        if fabric.device.type == "cuda":
            made = apply_to_collection(made, Tensor, Tensor.pin_memory)
        return made

    def set_up(threads: int) -> None:
        # Threads of OpenMP, and the current GPU, belong to a thread.
        torch.set_num_threads(threads)
        if fabric.device.type == "cuda":
            torch.cuda.set_device(fabric.device)

    with ThreadPoolExecutor(1, "batches", set_up, (torch.get_num_threads(),)) as maker:
        try:
            made = maker.submit(make, first)
            for step in range(first, end):
                now = made.result()
                if step + 1 < end:
                    made = maker.submit(make, step + 1)
                yield fabric.to_device(now)
        finally:
            made.cancel()


@contextmanager
def _alone(fabric: Fabric, checkpoints: Path, folder: Path, what: str) -> Iterator[None]:
    """Let the first process hold the lock of a training, while the others wait for it."""
    with ExitStack() as stack:

        def lock() -> None:
            cache.remove_old(checkpoints)
            stack.enter_context(locked(folder, what))

        _by_first(fabric, lock)
        yield


@once
def _patient() -> Any:
    """The group of all processes in which they wait; who ends is noticed at once, by gloo."""
    return torch.distributed.new_group(backend="gloo", timeout=PATIENT)


def _by_first(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Let the first process do something, and return to all what it returns.

    If it fails, it says why, and the others end.
    """
    if fabric.world_size == 1:
        return work()
    done: list[Any] = [None]
    if fabric.is_global_zero:
        try:
            done = [(work(),)]
        except Exception:
            torch.distributed.broadcast_object_list(done, group=_patient())
            raise
    torch.distributed.broadcast_object_list(done, group=_patient())
    if done[0] is None:
        sys.exit(1)
    return done[0][0]


class _Run:
    """The state of a training: everything that a checkpoint contains."""

    def __init__(self, task: Task, path: Path, fabric: Fabric):
        settings = task.settings
        self.task, self.module, self.settings, self.path = task, task.model, settings, path
        self.fabric, self.together = fabric, fabric.setup_module(task.model)
        self.device = fabric.device.type
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
            self.average = AveragedModel(task.model, multi_avg_fn=self._move)
        self.best = _copied(task.model)
        self.best_loss = math.inf
        self.step = 0
        self.waited = 0
        self.losses: list[Tensor] = []
        self.history: History = []

    def steps(self) -> Iterator[int]:
        patience = self.settings.patience or math.inf
        while self.step < self.settings.max_steps and self.waited < patience:
            yield self.step

    def update(self, arguments: Arguments) -> None:
        self.module.train()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            loss = self.together(*arguments)
        if self.fabric.world_size > 1:
            # The mean over all processes of these is the loss of the whole batch.
            weight = torch.as_tensor(self.task.weight(arguments), dtype=loss.dtype).to(loss.device)
            mean = self.fabric.all_reduce(weight.clone(), reduce_op="mean")  # it is changed
            loss = loss * (weight / mean.clamp(min=1 / self.fabric.world_size))
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        nn.utils.clip_grad_value_(self.module.parameters(), self.settings.clip)
        self.optimizer.step()
        self.scheduler.step()
        # Its value is asked for when it is needed: that would wait for the device.
        self.losses.append(loss.detach())
        self.step += 1
        if self.average:
            self.average.update_parameters(self.module)

    def _move(self, averages: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        """Update averaged weights; their decay is lower in the first steps."""
        # The number of steps is known; reading `count` would wait for the device.
        decay = min(self.settings.ema_decay, self.step / (self.step + 10))
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def _losses(self) -> list[float]:
        """The losses of the steps since the last validation."""
        if not self.losses:
            return []
        losses = torch.stack(self.losses)
        if self.fabric.world_size > 1:
            losses = self.fabric.all_reduce(losses, reduce_op="mean")
        return losses.tolist()

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

    def validate(self) -> None:
        losses = self._losses()
        for step, loss in enumerate(losses, self.step - len(losses)):
            if not math.isfinite(loss):
                raise UserError(f"the loss is {loss} at step {step}; lower training.learning_rate")
        parts = range(self.fabric.global_rank, self.task.parts, self.fabric.world_size)
        own = [self.task.validate(part) for part in parts]
        valid = mean_loss(self._of_all(own))
        if not math.isfinite(valid):
            raise UserError(f"the validation loss is {valid} at step {self.step}")
        mean = sum(losses) / len(losses)
        self.history.append({"step": self.step, "train": mean, "valid": valid})
        self.losses = []
        self.waited += 1
        if valid < self.best_loss or not self.settings.patience:
            self.best_loss, self.waited = valid, 0
            self.best = _copied(self.module)

    def _of_all(self, own: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Collect what the processes found for their parts, in the order of the parts."""
        if self.fabric.world_size == 1:
            return own
        everyone: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(everyone, own, group=_patient())
        parts = range(self.task.parts)
        return [everyone[part % len(everyone)][part // len(everyone)] for part in parts]

    def save(self) -> None:
        losses = self._losses()
        _by_first(self.fabric, lambda: self._write(losses))

    def _write(self, losses: list[float]) -> None:
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        if self.average:
            tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
        plain = {
            "step": self.step,
            "waited": self.waited,
            "losses": losses,
            "history": self.history,
            "best_loss": self.best_loss,
        }
        rates = {"rates": [group["lr"] for group in self.optimizer.param_groups]}
        # Tensors in a model's state may share memory, which safetensors does not allow.
        tensors = {name: value.clone() for name, value in tensors.items()}
        tensor_file.write(self.path, tensors, plain | rates)

    def _read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        if not self.path.exists():
            return None
        return tensor_file.read(self.path, "remove it, and training begins anew")

    def load(self) -> None:
        known = _by_first(self.fabric, self._read)
        if known is None:
            return
        tensors, plain = known
        rates, losses = plain.pop("rates"), plain.pop("losses")
        vars(self).update(plain)
        self.losses = list(torch.tensor(losses, device=self.fabric.device))

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
