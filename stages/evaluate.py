"""Stage evaluate: metrics and plots of the models and of the pieces they composed."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.notes.report import evaluate

with stage("results") as (params, [out]):
    evaluate.write_report(
        out, Path("data/dataset"), Path("models"), Path("results/compose"), params
    )
