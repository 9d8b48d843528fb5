"""Stage generator: trains the model that writes the music."""

from ostinato.fit.generator import fit_generator
from ostinato.stage import stage
from ostinato.training import write_curves, write_model

with stage("models/generator", "results/generator") as (params, [out, results]):
    model, config, history = fit_generator(params)
    write_model(out, model, config)
    write_curves(results, history)
