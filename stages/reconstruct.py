"""Stage reconstruct: held-out pieces as the autoencoder hears them."""

from pathlib import Path

from ostinato import training
from ostinato.audio.examples import write_examples
from ostinato.audio.improvise import load_autoencoder
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

with stage("results/reconstruct") as (params, [out]):
    training.prepare(params.threads, params.seed)
    write_examples(out, load_autoencoder(Path("models")), Sounds(Path("data/audio")))
