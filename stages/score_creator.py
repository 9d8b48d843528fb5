"""Stage score_creator: trains what goes on with frames of numbers, and measures it."""

from ostinato.core import files
from ostinato.core.models import write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.sound.fit.score_creator import fit_score_creator
from ostinato.sound.report.score_creator import compare

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    model, config, history = fit_score_creator(params)
    write_model(out, model, config)
    best = write_curves(results, history)
    test = compare(model, params.score_creator.kind, params.seed)
    files.write_json(results / "metrics.json", {"training": best, "test": test})
