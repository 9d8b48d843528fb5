"""Stage score_creator: trains the model that continues a sequence of frames."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.sound.fit.score_creator import score_creator_task

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    fit_and_write(score_creator_task(params, Path("data/frames")), out, results)
