"""Stage scores: every piece as the autoencoder's numbers."""

from pathlib import Path

from ostinato import autoencoders, training
from ostinato.audio import frames
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

with stage("data/frames") as (params, [out]):
    training.prepare(params.threads, params.seed)
    frames.build(out, Sounds(Path("data/audio")), autoencoders.load(Path("models/autoencoder")))
