"""Stage compose: the trained models write pieces, as MIDI, sound and pictures."""

from pathlib import Path

from ostinato import compose
from ostinato.stage import stage

with stage("results/compose") as (params, [out]):
    compose.write_pieces(
        out,
        Path("data/dataset"),
        Path("models"),
        params.compose,
        params.threads,
        params.seed,
    )
