"""Stage scores: every piece as the autoencoder's numbers."""

from pathlib import Path

from ostinato.core import training
from ostinato.core.stage import stage
from ostinato.sound import autoencoders
from ostinato.sound.data import frames
from ostinato.sound.data.sound import Sounds

with stage("data/frames") as (params, [out]):
    training.prepare(params.threads, params.seed)
    frames.build(out, Sounds(Path("data/audio")), autoencoders.load(Path("models/autoencoder")))
