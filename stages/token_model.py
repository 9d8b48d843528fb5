"""Stage token_model: trains what writes tokens of a vocabulary, or classifies pieces."""

import sys

from ostinato.core import files
from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.tokens.fit.token_model import fit_token_model

vocabulary = sys.argv[1]
outputs = f"models/token_model/{vocabulary}", f"results/token_model/{vocabulary}"
with stage(*outputs) as (params, [out, results]):
    model, config, history = fit_token_model(params, vocabulary)
    write_model(out, model, config)
    best = write_curves(results, history)
    files.write_json(results / "training.json", {"weights": weights_of(model), **best})
