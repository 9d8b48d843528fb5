"""Stage audio: writes the sound to learn from, rendered scores or the user's recordings."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.sound.data import collection

with stage("data/audio") as (params, [out]):
    collection.build(out, params, Path("data/corpus"), ["train", "valid"])
