"""Stage score_creator: trains what goes on with frames of numbers."""

from ostinato.core import files
from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.sound.fit.score_creator import fit_score_creator

with stage("models/score_creator", "results/score_creator") as (params, [out, results]):
    model, config, history = fit_score_creator(params)
    write_model(out, model, config)
    best = write_curves(results, history)
    files.write_json(results / "training.json", {"weights": weights_of(model), **best})
