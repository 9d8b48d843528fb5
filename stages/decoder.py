"""Stage decoder: trains the model that turns pitch classes into keys."""

from pathlib import Path

from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import best_of, write_history
from ostinato.notes.fit.dataset import Data
from ostinato.notes.fit.decoder import fit_performer

with stage("models/decoder", "results/decoder") as (params, [out, results]):
    representation, steps = params.dataset.representation, params.augment.steps
    folders = Path("data/dataset"), Path("data/fragments")
    data = Data(*folders, representation, steps, velocities=True)
    model, config, history, velocities = fit_performer(params, data)
    write_model(out, model, config)
    write_history(results, history, weights_of(model), velocity=best_of(velocities))
