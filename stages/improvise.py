"""Stage improvise: the trained models continue the first ten seconds of a held-out piece."""

from pathlib import Path

from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.sound.report.performance import perform

with stage("results/improvise") as (params, [out]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    models = Path("models")
    figures = perform(
        out,
        Sounds(Path("data/held_out")),
        autoencoder.load(models / "autoencoder").to(device),
        score_creator.load(models / "score_creator").to(device),
        params.improvise.seconds,
        params.seed,
    )
    files.write_metrics(out / "figures.json", figures)
