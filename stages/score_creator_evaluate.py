"""Stage score_creator_evaluate: how held-out pieces are continued, and how they go on."""

from pathlib import Path

from ostinato import improvising
from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound import transcriber
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts import score_creator
from ostinato.sound.parts.score_creator import ScoreCreator
from ostinato.sound.report import continuation
from ostinato.sound.report.score_creator import compare

with stage("results/score_creator") as (params, [results]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    models = Path("models")
    creator = score_creator.load(models / "score_creator").to(device)
    figures = {}
    if isinstance(creator, ScoreCreator):
        figures = compare(creator, Path("data/frames"), params.score_creator.kind, params.seed)
    listener = transcriber.load(models / "transcriber").to(device)
    temperature = params.improvise.temperature
    improviser = improvising.with_creator(creator, models, device, temperature)
    sounds = Sounds(Path("data/held_out"))
    figures["continued"] = continuation.measure(improviser, listener, sounds, params.seed)
    files.write_metrics(results / "metrics.json", figures)
