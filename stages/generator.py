"""Stage generator: trains the model that writes the music."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.notes.fit.dataset import Data
from ostinato.notes.fit.generator import generator_task

with stage("models/generator", "results/generator") as (params, [out, results]):
    representation, steps = params.dataset.representation, params.augment.steps
    data = Data(Path("data/dataset"), Path("data/fragments"), representation, steps)
    fit_and_write(generator_task(params, data), out, results)
