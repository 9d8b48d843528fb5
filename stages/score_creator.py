"""Stage score_creator: trains what goes on with ten seconds of sound."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.sound.fit.score_creator import score_creator_task

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    task = score_creator_task(params, Path("data/audio"), Path("data/frames"))
    fit_and_write(task, out, results)
