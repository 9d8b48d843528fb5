"""Stage improvise: the trained models continue the first ten seconds of a held-out piece."""

from pathlib import Path

from ostinato import improvising
from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound import transcriber
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report.performance import perform

with stage("results/improvise") as (params, [out]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    models = Path("models")
    figures = perform(
        out,
        Sounds(Path("data/held_out")),
        improvising.load(models, device, params.improvise.temperature),
        transcriber.load(models / "transcriber").to(device),
        params.improvise.seconds,
        params.seed,
    )
    files.write_metrics(out / "figures.json", figures)
