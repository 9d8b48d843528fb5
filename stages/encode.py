"""Stage encode: encodes every piece as frames of numbers, with the autoencoder."""

from pathlib import Path

from ostinato.core import devices
from ostinato.core.stage import stage
from ostinato.sound.data import frames
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder

with stage("data/frames") as (params, [out]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    sounds = Sounds(Path("data/audio"), Path("data/held_out"))
    frames.build(out, sounds, autoencoder.load(Path("models/autoencoder")).to(device))
