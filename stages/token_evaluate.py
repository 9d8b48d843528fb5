"""Stage token_evaluate: how good both token models are, beside n-grams and other yardsticks."""

from pathlib import Path

from ostinato.core import files, training
from ostinato.core.seeds import derive
from ostinato.core.stage import stage
from ostinato.scores import plotting
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken, load
from ostinato.tokens.report.metrics import compare_bits, compare_labels
from ostinato.tokens.report.temperature import GRAM, by_temperature, plot

with stage("results/token_model", "results/token_evaluate") as (params, [results, pictures]):
    training.prepare(params.threads, params.seed)
    metrics = {}
    for vocabulary in ("chords", "letters"):
        model = load(Path("models/token_model") / vocabulary)
        streams = Streams(Path("data/tokens") / vocabulary)
        if isinstance(model, NextToken):
            found = by_temperature(
                model, streams, derive(params.seed, "token_evaluate", vocabulary)
            )
            metrics[vocabulary] = {**compare_bits(model, streams), "temperatures": found}
            plotting.save(pictures / f"{vocabulary}.png", plot(found, GRAM[streams.about["kind"]]))
        else:
            metrics[vocabulary] = compare_labels(model, streams)
    files.write_json(results / "metrics.json", metrics)
