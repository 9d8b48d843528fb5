"""Stage score_creator_evaluate: how held-out pieces are continued, and how they go on."""

from pathlib import Path

from ostinato import improvising
from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound import transcriber
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import score_creator
from ostinato.sound.report.score_creator import measure

with stage("results/score_creator") as (params, [results]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    models = Path("models")
    creator = score_creator.load(models / "score_creator").to(device)
    figures = measure(
        creator,
        improvising.with_creator(creator, models, device, params.improvise.temperature),
        transcriber.load(models / "transcriber").to(device),
        Sounds(Path("data/held_out")),
        Path("data/frames"),
        params.score_creator.kind,
        params.seed,
    )
    files.write_metrics(results / "metrics.json", figures)
