"""Stage autoencoder: trains what turns sound into 512 numbers a frame, and measures it."""

from ostinato.core import files
from ostinato.core.models import write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.sound.data.sound import Sounds
from ostinato.sound.fit.autoencoder import AUDIO, fit_autoencoder, fit_subsets
from ostinato.sound.report import autoencoder as report

with stage("models/autoencoder", "results/autoencoder") as (params, [out, results]):
    sounds = Sounds(AUDIO)
    kind, seed = params.autoencoder.kind, params.seed
    model, config, history = fit_autoencoder(params, sounds)
    write_model(out, model, config)
    best = write_curves(results, history)
    by_pieces = report.measure_subsets(fit_subsets(params, sounds), kind, sounds, seed)
    files.write_table(results / "pieces.tsv", list(by_pieces[0]), by_pieces, delimiter="\t")
    figures = report.measure(model, kind, sounds, seed)
    files.write_json(results / "metrics.json", {"training": best, "held_out": figures})
