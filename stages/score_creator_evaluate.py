"""Stage score_creator_evaluate: metrics of the score creator, beside baselines."""

from pathlib import Path

from ostinato.core import devices, files
from ostinato.core.stage import stage
from ostinato.sound.parts import score_creator
from ostinato.sound.report.score_creator import compare

with stage("results/score_creator") as (params, [results]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    model = score_creator.load(Path("models/score_creator")).to(device)
    figures = compare(model, Path("data/frames"), params.score_creator.kind, params.seed)
    files.write_metrics(results / "metrics.json", figures)
