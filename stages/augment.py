"""Stage augment: the table of training fragments with their transpositions."""

from pathlib import Path

from ostinato import fragments
from ostinato.songs import Songs
from ostinato.stage import stage

with stage("data/fragments") as (params, [out]):
    augment = params.augment
    songs = Songs(Path("data/dataset"))
    fragments.write_table(out, songs, augment.steps, augment.hop, tuple(augment.shifts))
