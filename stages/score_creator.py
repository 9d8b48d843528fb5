"""Stage score_creator: trains what goes on with ten seconds of sound."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.sound.fit.player import PLAYER, player_task
from ostinato.sound.fit.score_creator import score_creator_task

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    if params.score_creator.kind == PLAYER:
        task = player_task(params, Path("data/audio"), Path("data/frames"))
    else:
        task = score_creator_task(params, Path("data/frames"))
    fit_and_write(task, out, results)
