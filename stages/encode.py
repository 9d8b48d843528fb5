"""Stage encode: every piece as frames of numbers, by the autoencoder, and as notes."""

from pathlib import Path

from ostinato.core import devices
from ostinato.core.stage import stage
from ostinato.sound import transcriber
from ostinato.sound.data import frames
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder

with stage("data/frames") as (params, [out]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    models = Path("models")
    frames.build(
        out,
        Sounds(Path("data/audio"), Path("data/held_out")),
        autoencoder.load(models / "autoencoder").to(device),
        transcriber.load(models / "transcriber").to(device),
    )
