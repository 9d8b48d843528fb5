"""Stage generator: trains the model that writes the music."""

from ostinato import files
from ostinato.fit.generator import fit_generator
from ostinato.models import weights_of, write_model
from ostinato.stage import stage
from ostinato.training import write_curves

with stage("models/generator", "results/generator") as (params, [out, results]):
    model, config, history = fit_generator(params)
    write_model(out, model, config)
    best = write_curves(results, history)
    files.write_json(results / "metrics.json", {"weights": weights_of(model), **best})
