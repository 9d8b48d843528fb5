"""Stage generator: trains the model that writes the music."""

from ostinato.core import files
from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.notes.fit.generator import fit_generator

with stage("models/generator", "results/generator") as (params, [out, results]):
    model, config, history = fit_generator(params)
    write_model(out, model, config)
    best = write_curves(results, history)
    files.write_json(results / "metrics.json", {"weights": weights_of(model), **best})
