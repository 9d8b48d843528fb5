"""Stage held_out: writes the sound that is only for listening and measuring, the test pieces."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.sound.data import collection

with stage("data/held_out") as (params, [out]):
    collection.build(out, params, Path("data/corpus"), ["test"])
