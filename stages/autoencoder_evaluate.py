"""Stage autoencoder_evaluate: how near a model brings held-out sound, beside baselines."""

from pathlib import Path

from ostinato.core import files, training
from ostinato.core.stage import stage
from ostinato.sound import autoencoders
from ostinato.sound.data.sound import Sounds
from ostinato.sound.fit.autoencoder import AUDIO, fit_subsets
from ostinato.sound.report import autoencoder as report

with stage("results/autoencoder") as (params, [results]):
    training.prepare(params.threads, params.seed)
    sounds = Sounds(AUDIO)
    kind, seed = params.autoencoder.kind, params.seed
    figures = report.measure(autoencoders.load(Path("models/autoencoder")), kind, sounds, seed)
    files.write_json(results / "metrics.json", figures)
    by_pieces = report.measure_subsets(fit_subsets(params, sounds), kind, sounds, seed)
    files.write_table(results / "pieces.tsv", list(by_pieces[0]), by_pieces, delimiter="\t")
