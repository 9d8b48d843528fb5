"""Stage audio: writes rendered scores, or the user's recordings, as one file of samples."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.sound.data import collection

with stage("data/audio") as (params, [out]):
    audio = params.audio
    if audio.source == "corpus":
        collection.build_rendered(out, Path("data/corpus"), audio.instruments, params.seed)
    else:
        collection.build_recorded(out, Path(audio.folder))
