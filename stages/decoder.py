"""Stage decoder: trains the model that turns pitch classes into keys."""

from ostinato.fit.decoder import fit_decoder
from ostinato.stage import stage
from ostinato.training import write_curves, write_model

with stage("models/decoder", "results/decoder") as (params, [out, results]):
    model, config, history = fit_decoder(params)
    write_model(out, model, config)
    write_curves(results, history)
