"""The base class for sections of params.yaml, and types of values that several sections use."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Device = Literal["auto", "cpu", "cuda", "mps"]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _through_zero(shifts: list[int]) -> list[int]:
    if not shifts[0] <= 0 <= shifts[1]:
        raise ValueError("from 0 or less to 0 or more semitones")
    return shifts


Shifts = Annotated[
    list[Annotated[int, Field(ge=-48, le=48)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_through_zero),
]
"""The lowest and the highest transposition, in semitones."""


class Schema(BaseModel):
    """A section of params.yaml, without unknown keys or type conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Every(Schema):
    """A rule for a list of lags: the multiples of ``every`` up to ``to``."""

    every: Positive
    to: Positive


def _written_out(lags: Any) -> Any:
    if not isinstance(lags, list):
        return lags
    found: list[Any] = []
    for lag in lags:
        if isinstance(lag, dict):
            rule = Every.model_validate(lag)
            found += range(rule.every, rule.to + 1, rule.every)
        else:
            found.append(lag)
    return found


Lags = Annotated[list[Positive], Field(min_length=1), BeforeValidator(_written_out)]
"""Lags in steps: a list of numbers and of rules such as ``{every: 4, to: 128}``."""


class Shared(Schema):
    """Training parameters that all models share unless they override them.

    Attributes
    ----------
    optimizer : str
        ``"adam"`` (AdamW, which is Adam if the weight decay is 0) or ``"rmsprop"``.
    lr_min_factor : float
        The learning rate falls along half a cosine to this fraction of its initial value.
    epsilon, weight_decay : float
        Parameters of the optimiser.
    clip : float
        Elements of the gradient are clipped to this absolute value.
    ema_decay : float
        Decay of the exponential moving average of the weights; 0 if they are not averaged.
    patience : int
        Training stops after this many validations in a row without improvement, and the best
        weights are kept; 0: it goes on to the end, and the last ones are kept.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 if the processor has instructions for
        it, otherwise float32.
    devices, nodes : int
        The number of devices of a machine, and of machines, among which each batch is divided. On
        the CPU, a device is a process with its own threads.
    strategy : str
        How they work together: ``"ddp"`` (`torch.nn.parallel.DistributedDataParallel`) or
        ``"ddp_find_unused_parameters"``, for models of which some steps do not use all weights.
    """

    optimizer: Literal["adam", "rmsprop"]
    lr_min_factor: Fraction
    epsilon: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)]
    ema_decay: Share
    patience: Annotated[int, Field(ge=0)]
    precision: Literal["auto", "float32", "bfloat16"]
    devices: Positive
    nodes: Positive
    strategy: Literal["ddp", "ddp_find_unused_parameters"]


class Training(Shared):
    """Parameters of a training; see `ostinato.core.training.fit`.

    Attributes
    ----------
    batch : int
        The number of examples in a batch.
    learning_rate : float
        The initial learning rate.
    max_steps : int
        The maximum number of optimiser steps.
    validate_every : int
        The number of optimiser steps between validations.
    """

    batch: Annotated[int, Field(ge=1, le=4096)]
    learning_rate: Annotated[float, Field(gt=0)]
    max_steps: Positive
    validate_every: Positive


def completed(section: Any, shared: dict[str, Any]) -> Any:
    """Add the shared training parameters to each ``training``, which may override them."""
    if not isinstance(section, dict):
        return section
    both = {name: completed(value, shared) for name, value in section.items()}
    if isinstance(both.get("training"), dict):
        both["training"] = {**shared, **both["training"]}
    return both
