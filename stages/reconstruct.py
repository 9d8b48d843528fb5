"""Stage reconstruct: held-out pieces as the autoencoder hears them."""

from pathlib import Path

from ostinato.core import training
from ostinato.core.stage import stage
from ostinato.sound import autoencoders
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report.examples import write_examples

with stage("results/reconstruct") as (params, [out]):
    training.prepare(params.threads, params.seed)
    write_examples(out, autoencoders.load(Path("models/autoencoder")), Sounds(Path("data/audio")))
