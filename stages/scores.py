"""Stage scores: every piece as the autoencoder's numbers."""

from pathlib import Path

from ostinato import training
from ostinato.audio import frames
from ostinato.audio.improvise import load_autoencoder
from ostinato.audio.sound import Sounds
from ostinato.stage import stage

with stage("data/frames") as (params, [out]):
    training.prepare(params.threads, params.seed)
    frames.build(out, Sounds(Path("data/audio")), load_autoencoder(Path("models")))
