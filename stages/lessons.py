"""Stage lessons: renders pieces for the transcriber, where the user's recordings are learned."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.sound.data.collection import build_lessons

with stage("data/lessons") as (params, [out]):
    build_lessons(out, params, Path("data/corpus"))
