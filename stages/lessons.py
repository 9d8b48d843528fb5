"""Stage lessons: renders pieces with all kinds of instruments, for the transcriber."""

from pathlib import Path

from ostinato.core.stage import stage
from ostinato.sound.data.collection import build_lessons

with stage("data/lessons") as (params, [out]):
    build_lessons(out, params, Path("data/corpus"))
