"""Stage score_creator_evaluate: how well a model draws what follows, beside baselines."""

from pathlib import Path

from ostinato.core import files, training
from ostinato.core.stage import stage
from ostinato.sound import score_creators
from ostinato.sound.report.score_creator import compare

with stage("results/score_creator") as (params, [results]):
    training.prepare(params.threads, params.seed)
    model = score_creators.load(Path("models/score_creator"))
    figures = compare(model, params.score_creator.kind, params.seed)
    files.write_json(results / "metrics.json", figures)
