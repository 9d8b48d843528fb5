"""Stage corpus: converts scores, built-in ones or the user's, to MIDI."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.scores import corpus

with stage("data/corpus") as (params, [out]):
    corpus.build(out, params.corpus.source, Path(params.corpus.folder))
