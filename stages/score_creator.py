"""Stage score_creator: trains what goes on with frames of numbers, and measures it."""

from ostinato import files
from ostinato.fit.score_creator import compare, fit_score_creator
from ostinato.stage import stage
from ostinato.training import CURVE_COLUMNS, write_model

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    model, config, history = fit_score_creator(params)
    write_model(out, model, config)
    files.write_table(results / "curves.tsv", CURVE_COLUMNS, history, delimiter="\t")
    best = min(history, key=lambda row: row["valid"])
    test = compare(model, params.score_creator.kind, params.seed)
    files.write_json(results / "metrics.json", {"training": best, "test": test})
