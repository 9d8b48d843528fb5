"""Stage autoencoder_evaluate: metrics of the autoencoder on held-out pieces, beside baselines."""

from pathlib import Path

from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder
from ostinato.sound.report.autoencoder import measure

with stage("results/autoencoder") as (params, [results]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    sounds = Sounds(Path("data/audio"), Path("data/held_out"))
    model = autoencoder.load(Path("models/autoencoder")).to(device)
    figures = measure(model, params.autoencoder.kind, sounds, params.seed)
    files.write_metrics(results / "metrics.json", figures)
