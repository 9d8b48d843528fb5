"""Stage transcriber: trains the model that finds the notes in sound."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.sound.fit.transcriber import transcriber_task

with stage("models/transcriber", "results/transcriber") as (params, [out, results]):
    folders = [Path("data/audio"), Path("data/lessons")]
    fit_and_write(transcriber_task(params, folders), out, results)
