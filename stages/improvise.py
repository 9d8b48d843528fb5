"""Stage improvise: ten seconds of a held-out piece, and what the models play after them."""

from pathlib import Path

from ostinato import autoencoders, files, score_creators, training
from ostinato.audio.performance import perform
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

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
