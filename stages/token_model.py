"""Stage token_model: trains what writes tokens, or classifies them, and measures it."""

import sys

from ostinato import files
from ostinato.fit.token_model import fit_token_model, folder_of
from ostinato.models import weights_of, write_model
from ostinato.stage import stage
from ostinato.tokens.measures import measure
from ostinato.tokens.streams import Streams
from ostinato.training import write_curves

vocabulary = sys.argv[1]
outputs = f"models/token_model/{vocabulary}", f"results/token_model/{vocabulary}"
with stage(*outputs) as (params, [out, results]):
    model, config, history = fit_token_model(params, vocabulary)
    write_model(out, model, config)
    best = write_curves(results, history)
    test = measure(model, Streams(folder_of(vocabulary)))
    files.write_json(results / "metrics.json", {"weights": weights_of(model), **best, **test})
