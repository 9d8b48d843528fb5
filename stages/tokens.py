"""Stage tokens: turns pieces into sequences of classes, for one vocabulary."""

import sys
from pathlib import Path

from ostinato.core.stage import stage
from ostinato.tokens.data import chords, events, letters
from ostinato.tokens.data.labels import labelling

vocabulary = sys.argv[1]
with stage(f"data/tokens/{vocabulary}") as (params, [out]):
    chosen = getattr(params.tokens, vocabulary)
    labelled = labelling(chosen.task, chosen.labels)
    if vocabulary == "chords":
        chords.build(out, Path("data/corpus"), chosen.octaves, chosen.shifts, labelled)
    elif vocabulary == "events":
        settings = chosen.model_dump(exclude={"task", "labels"})
        events.build(out, Path("data/corpus"), events.Settings(**settings), labelled)
    else:
        letters.build(out, chosen.source, Path(chosen.folder), labelled)
