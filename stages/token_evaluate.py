"""Stage token_evaluate: how good both token models are, beside n-grams and other yardsticks."""

from pathlib import Path

from ostinato import files, training
from ostinato.evaluation import plots
from ostinato.seeds import derive
from ostinato.stage import stage
from ostinato.tokens.metrics import compare_bits, compare_labels
from ostinato.tokens.model import NextToken, load
from ostinato.tokens.streams import Streams
from ostinato.tokens.temperature import GRAM, by_temperature, plot

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
            plots.save(pictures / f"{vocabulary}.png", plot(found, GRAM[streams.about["kind"]]))
        else:
            metrics[vocabulary] = compare_labels(model, streams)
    files.write_json(results / "metrics.json", metrics)
