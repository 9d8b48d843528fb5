"""Stage reconstruct: writes held-out pieces before and after the autoencoder."""

from pathlib import Path

from ostinato.core import devices
from ostinato.core.stage import stage
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import autoencoder
from ostinato.sound.report.examples import write_examples

with stage("results/reconstruct") as (params, [out]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    model = autoencoder.load(Path("models/autoencoder")).to(device)
    write_examples(out, model, Sounds(Path("data/held_out")))
