"""Stage augment: writes the table of training fragments and their transpositions."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.notes.data import fragments
from ostinato.notes.data.songs import Songs

with stage("data/fragments") as (params, [out]):
    augment = params.augment
    songs = Songs(Path("data/dataset"))
    fragments.write_table(out, songs, augment.steps, augment.hop, tuple(augment.shifts))
