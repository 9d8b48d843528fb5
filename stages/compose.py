"""Stage compose: the trained models write pieces, as MIDI, sound and pictures."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.notes.compose import pieces

with stage("results/compose") as (params, [out]):
    pieces.write_pieces(
        out,
        Path("data/dataset"),
        Path("models"),
        params.compose,
        params.threads,
        params.device,
        params.seed,
    )
