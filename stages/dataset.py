"""Stage dataset: puts the notes of the corpus on a grid, and leaves out songs that do not fit."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.notes.data import dataset

with stage("data/dataset") as (params, [out]):
    filters = dataset.Filters(**params.dataset.model_dump(exclude={"representation"}))
    dataset.build(out, Path("data/corpus"), filters)
