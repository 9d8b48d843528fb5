"""Stage token_compose: the model of a vocabulary writes pieces, unless it is a classifier."""

import sys
from pathlib import Path

from ostinato.core import files
from ostinato.core.seeds import derive
from ostinato.core.stage import stage
from ostinato.tokens.compose import compose
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken, load

vocabulary = sys.argv[1]
with stage(f"results/token_compose/{vocabulary}") as (params, [out]):
    seed = derive(params.seed, "token_compose", vocabulary)
    model = load(Path("models/token_model") / vocabulary)
    if isinstance(model, NextToken):
        streams = Streams(Path("data/tokens") / vocabulary)
        settings = getattr(params.token_compose, vocabulary)
        compose.write_pieces(out, model, streams, settings, seed, params.threads, params.device)
    else:
        files.write_json(out / "config.json", {"kind": "none"})
