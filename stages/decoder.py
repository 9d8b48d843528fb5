"""Stage decoder: trains the model that turns pitch classes into keys."""

from ostinato.core import files
from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import best_of, write_curves
from ostinato.notes.fit.decoder import fit_decoder

with stage("models/decoder", "results/decoder") as (params, [out, results]):
    model, config, history, velocities = fit_decoder(params)
    write_model(out, model, config)
    best = {"decoder": write_curves(results, history), "velocity": best_of(velocities)}
    files.write_json(results / "metrics.json", {"weights": weights_of(model), **best})
