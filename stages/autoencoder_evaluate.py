"""Stage autoencoder_evaluate: metrics of the autoencoder on held-out pieces, beside baselines."""

from pathlib import Path

from ostinato.core import files, training
from ostinato.core.stage import stage
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder
from ostinato.sound.report.autoencoder import measure

with stage("results/autoencoder") as (params, [results]):
    training.prepare(params.threads, params.seed)
    sounds = Sounds(Path("data/audio"), Path("data/held_out"))
    model = autoencoder.load(Path("models/autoencoder"))
    figures = measure(model, params.autoencoder.kind, sounds, params.seed)
    files.write_metrics(results / "metrics.json", figures)
