"""Stage score_creator: trains what goes on with frames of numbers, and measures it."""

from ostinato import files
from ostinato.audio.forecasts import compare
from ostinato.fit.score_creator import fit_score_creator
from ostinato.models import write_model
from ostinato.stage import stage
from ostinato.training import write_curves

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    model, config, history = fit_score_creator(params)
    write_model(out, model, config)
    best = write_curves(results, history)
    test = compare(model, params.score_creator.kind, params.seed)
    files.write_json(results / "metrics.json", {"training": best, "test": test})
