"""Stage transcriber_evaluate: how many notes of held-out pieces the transcriber finds."""

from pathlib import Path

from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound import transcriber
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report.transcriber import measure

with stage("results/transcriber") as (params, [results]):
    device = devices.prepare(params.threads, params.seed, params.device)
    model = transcriber.load(Path("models/transcriber")).to(device)
    figures = measure(model, Sounds(Path("data/held_out"), Path("data/lessons")))
    files.write_metrics(results / "metrics.json", figures)
