"""Stage dataset: our MIDI becomes notes on a grid, without the songs that do not fit."""

from pathlib import Path

from ostinato.scores import dataset
from ostinato.stage import stage

with stage("data/dataset") as (params, [out]):
    filters = dataset.Filters(**params.dataset.model_dump(exclude={"representation"}))
    dataset.build(out, Path("data/corpus"), filters)
