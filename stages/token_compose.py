"""Stage token_compose: the token model writes pieces, as MIDI, text and sound."""

import sys
from pathlib import Path

from ostinato.stage import stage
from ostinato.tokens import compose

vocabulary = sys.argv[1]
with stage(f"results/token_compose/{vocabulary}") as (params, [out]):
    compose.write_pieces(
        out,
        Path("models/token_model") / vocabulary,
        Path("data/tokens") / vocabulary,
        getattr(params.token_compose, vocabulary),
        params.threads,
        params.seed,
    )
