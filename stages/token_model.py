"""Stage token_model: trains the model of a vocabulary, which writes tokens or classifies pieces."""

import sys
from pathlib import Path

from ostinato.core.stage import stage
from ostinato.core.training import fit_and_write
from ostinato.tokens.fit.token_model import token_model_task

vocabulary = sys.argv[1]
outputs = f"models/token_model/{vocabulary}", f"results/token_model/{vocabulary}"
with stage(*outputs) as (params, [out, results]):
    task = token_model_task(params, vocabulary, Path("data/tokens") / vocabulary)
    fit_and_write(task, out, results)
