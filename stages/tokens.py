"""Stage tokens: pieces as sequences of classes, for the vocabulary that is named."""

import sys
from pathlib import Path

from ostinato.core.stage import stage
from ostinato.tokens.data import chords, letters

vocabulary = sys.argv[1]
with stage(f"data/tokens/{vocabulary}") as (params, [out]):
    if vocabulary == "chords":
        chosen = params.tokens.chords
        chords.build(out, Path("data/corpus"), chosen.octaves, chosen.shifts, chosen.labelling)
    else:
        chosen = params.tokens.letters
        letters.build(out, chosen.source, Path(chosen.folder), chosen.labelling)
