"""Stage improvise: ten seconds of a held-out piece, and what the models play after them."""

from pathlib import Path

from ostinato import files, training
from ostinato.audio.improvise import load_autoencoder, load_score_creator
from ostinato.audio.performance import perform
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

with stage("results/improvise") as (params, [out]):
    training.prepare(params.threads, params.seed)
    models = Path("models")
    figures = perform(
        out,
        Sounds(Path("data/audio")),
        load_autoencoder(models),
        load_score_creator(models),
        params.improvise.seconds,
        params.seed,
    )
    files.write_json(out / "figures.json", figures)
