"""Schemas: what a section of params.yaml may hold, and the kinds of values that sections share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _through_zero(shifts: list[int]) -> list[int]:
    if not shifts[0] <= 0 <= shifts[1]:
        raise ValueError("from 0 or less to 0 or more semitones")
    return shifts


Shifts = Annotated[
    list[Annotated[int, Field(ge=-48, le=48)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_through_zero),
]
"""The lowest and the highest transposition."""


class Schema(BaseModel):
    """A section of params.yaml: no unknown keys, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Training(Schema):
    """The training loop; see `ostinato.core.training.train`."""

    batch: Annotated[int, Field(ge=1, le=4096)]
    learning_rate: Annotated[float, Field(gt=0)]
    epsilon: Annotated[float, Field(gt=0)]
    final_rate: Fraction
    clip: Annotated[float, Field(gt=0)]
    max_steps: Positive
    validate_every: Positive
    patience: Positive
    precision: Literal["auto", "float32", "bfloat16"]


class Regularised(Training):
    """The training loop with what keeps a model from learning songs by heart."""

    weight_decay: Annotated[float, Field(ge=0)]
    average: Annotated[float, Field(ge=0, lt=1)]
