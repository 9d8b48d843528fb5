"""Stage autoencoder: trains the model that turns sound into 512 numbers per frame and back."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.sound.fit.autoencoder import autoencoder_task

with stage("models/autoencoder", "results/autoencoder") as (params, [out, results]):
    fit_and_write(autoencoder_task(params, Path("data/audio")), out, results)
