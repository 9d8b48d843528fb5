"""Stage autoencoder: trains the model that turns sound into 512 numbers per frame and back."""

from pathlib import Path

from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_history
from ostinato.sound.fit.autoencoder import fit_autoencoder

with stage("models/autoencoder", "results/autoencoder") as (params, [out, results]):
    task, history = fit_autoencoder(params, Path("data/audio"))
    write_model(out, task.model, task.config)
    write_history(results, history, weights_of(task.model))
