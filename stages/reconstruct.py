"""Stage reconstruct: writes held-out pieces before and after the autoencoder."""

from pathlib import Path

from ostinato.core import training
from ostinato.core.stage import stage
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder
from ostinato.sound.report.examples import write_examples

with stage("results/reconstruct") as (params, [out]):
    training.prepare(params.threads, params.seed)
    write_examples(out, autoencoder.load(Path("models/autoencoder")), Sounds(Path("data/held_out")))
