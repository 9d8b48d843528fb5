"""Stage reconstruct: held-out pieces as the autoencoder hears them."""

from pathlib import Path

from ostinato import autoencoders, training
from ostinato.audio.examples import write_examples
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

with stage("results/reconstruct") as (params, [out]):
    training.prepare(params.threads, params.seed)
    write_examples(out, autoencoders.load(Path("models/autoencoder")), Sounds(Path("data/audio")))
