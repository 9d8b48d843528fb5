"""Stage improvise: ten seconds of a held-out piece, and what the models play after them."""

from pathlib import Path

from ostinato.core import files, training
from ostinato.core.stage import stage
from ostinato.sound import autoencoders, score_creators
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report.performance import perform

with stage("results/improvise") as (params, [out]):
    training.prepare(params.threads, params.seed)
    models = Path("models")
    figures = perform(
        out,
        Sounds(Path("data/audio")),
        autoencoders.load(models / "autoencoder"),
        score_creators.load(models / "score_creator"),
        params.improvise.seconds,
        params.seed,
    )
    files.write_json(out / "figures.json", figures)
