"""Stage token_evaluate: metrics of the token models, beside n-grams and other baselines."""

from pathlib import Path

from ostinato.core import devices, files
from ostinato.core.seeds import derive
from ostinato.core.stage import stage
from ostinato.scores import plotting
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken, load
from ostinato.tokens.report.evaluate import evaluate_classifier, evaluate_next_token
from ostinato.tokens.report.temperature import NGRAM_LENGTHS, compare_temperatures, plot

with stage("results/token_model", "results/token_evaluate") as (params, [results, pictures]):
    device = devices.prepare(params.threads, params.seed, params.device, double=True)
    metrics = {}
    for vocabulary in ("events", "chords", "letters"):
        model = load(Path("models/token_model") / vocabulary).to(device)
        streams = Streams(Path("data/tokens") / vocabulary)
        if isinstance(model, NextToken):
            seed = derive(params.seed, "token_evaluate", vocabulary)
            found = compare_temperatures(model, streams, seed)
            metrics[vocabulary] = {**evaluate_next_token(model, streams), "temperatures": found}
            figure = plot(found, NGRAM_LENGTHS[streams.config["kind"]])
            plotting.save(pictures / f"{vocabulary}.png", figure)
        else:
            metrics[vocabulary] = evaluate_classifier(model, streams)
    files.write_metrics(results / "metrics.json", metrics)
