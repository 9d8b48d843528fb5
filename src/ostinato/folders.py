"""A folder of songs, for people who do not use DVC: what is in it, and music learned from it.

The pipeline's own stages run in a folder of their own, with a params.yaml that is the project's but
for a few values.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.models import begins_from, read_model
from ostinato.core.params import read_params
from ostinato.core.progress import tell
from ostinato.experiments import merged
from ostinato.notes.data import dataset
from ostinato.scores import corpus

PARAMS, STAGES = Path("params.yaml"), Path("stages")

KEYS, EVENTS = "keys", "events"
"""What learns: the generator over keys, or the token model of events."""

BAND = 0.5
"""If so large a share of the songs has drums or several instruments, events are learned."""

PIECES = 8

KIND = {KEYS: "generator", EVENTS: "token_model"}
"""What the config.json of their models says."""

MODEL = {KEYS: "models/generator", EVENTS: "models/token_model/events"}

PIPELINE = {
    KEYS: ["dataset", "augment", "decoder", "generator", "compose", "page"],
    EVENTS: ["tokens events", "token_model events", "token_compose events", "page"],
}
"""The stages that follow the corpus."""

LEARNING: dict[str, dict[str, Any]] = {
    KEYS: {
        "generator": {"training": {"learning_rate": 0.003, "max_steps": 300, "validate_every": 50}},
        "compose": {"pieces": PIECES, "sounds": PIECES},
    },
    EVENTS: {
        "token_model": {
            "events": {
                "window": 512,
                "dropout": 0.2,
                # The best model of songs that were not learned knows little of those that were.
                "training": {
                    "batch": 4,
                    "learning_rate": 0.002,
                    "max_steps": 800,
                    "validate_every": 200,
                    "patience": 0,
                },
            }
        },
        "token_compose": {"events": {"pieces": PIECES, "start": "beginning"}},
    },
}
"""What differs from params.yaml where a folder is learned."""


def check(folder: Path) -> str:
    """Say what would be used of a folder, mended and left out.

    Parameters
    ----------
    folder : Path
        The user's scores, searched recursively.

    Returns
    -------
    str
        At most 20 lines.

    Raises
    ------
    UserError
        When there are fewer than 3 songs.
    """
    params = read_params(PARAMS)
    with tempfile.TemporaryDirectory() as work:
        for name in ("corpus", "dataset"):
            (Path(work) / name).mkdir()
        corpus.build(Path(work) / "corpus", "folder", folder)
        songs = files.read_table(Path(work) / "corpus/songs.csv")
        unread = files.read_table(Path(work) / "corpus/rejected.csv")
        filters = dataset.Filters(**params.dataset.model_dump(exclude={"representation"}))
        try:
            dataset.build(Path(work) / "dataset", Path(work) / "corpus", filters)
        except UserError as error:  # there may still be events to learn
            return "\n".join([*_summary(songs, unread), f"for a model of keys: {error}"])
        rows = files.read_table(Path(work) / "dataset/songs.csv")
        refused = files.read_table(Path(work) / "dataset/rejected.csv")
    notes = sum(int(row["notes"]) for row in rows)
    grid = f"on a grid, for a model of keys: {len(rows)} songs, {notes:,} notes"
    without = (f"  without {each['source']}: {each['reason']}"[:150] for each in refused[:3])
    return "\n".join([*_summary(songs, unread), grid, *without])


def _summary(songs: list[dict[str, str]], unread: list[dict[str, str]]) -> Iterator[str]:
    splits = Counter(song["split"] for song in songs)
    yield f"{len(songs)} songs can be read: " + ", ".join(
        f"{splits[split]} {name}"
        for split, name in (("train", "to learn"), ("valid", "to validate"), ("test", "to test"))
    )
    yield f"{sum(song['drums'] != '0' for song in songs)} have drums; instruments: " + _counted(
        name for song in songs for name in song["instruments"].split("|") if name
    )
    yield "metres: " + _counted(song["metre"] for song in songs)
    found = sum(song["metre_from"] == "notes" for song in songs)
    yield f"{found} have the metre and bars that their notes speak for, not their file"
    free = sum(not song["steps_per_beat"] for song in songs)
    yield f"{free} were played freely: their beats are found, and each has a tempo of its own"
    yield f"{sum(bool(song['swing']) for song in songs)} swing"
    yield "steps in a quarter note that notes need: " + _counted(
        song["steps_per_beat"] for song in songs if song["steps_per_beat"]
    )
    mended = [song for song in songs if song["mended"]]
    yield f"{len(mended)} were mended"
    yield from (f"  {song['source']}: {song['mended']}"[:150] for song in mended[:3])
    yield f"{len(unread)} files or songs are left out"
    yield from (f"  {each['source']}: {each['reason']}"[:150] for each in unread[:3])
    yield f"`ostinato train` would learn {learned(songs)}"


def _counted(names: Any) -> str:
    counts = Counter(names).most_common()
    some = ", ".join(f"{name} ({count})" for name, count in counts[:6])
    return some + (f" and {len(counts) - 6} more" if len(counts) > 6 else "")


def learned(songs: list[dict[str, str]]) -> str:
    """Choose what learns a corpus, `KEYS` or `EVENTS`, from the rows of its songs.csv."""
    bands = sum(song["drums"] != "0" or "|" in song["instruments"] for song in songs)
    return EVENTS if bands >= BAND * len(songs) else KEYS


def train(folder: Path, out: Path, what: str | None, start: Path | None, device: str) -> None:
    """Learn the songs in a folder, and write eight pieces and a page of them.

    Parameters
    ----------
    folder : Path
        The user's scores, searched recursively.
    out : Path
        A folder, which gets all that the stages write, and loses what they wrote there before.
    what : str or None
        `KEYS` or `EVENTS`; None: what suits the songs.
    start : Path or None
        A model of that kind that training begins from, or an empty folder: from nothing; None: the
        project's own, if it is there.
    device : str
        See `ostinato.core.devices.prepare`.

    Raises
    ------
    UserError
        When there are fewer than 3 songs, `start` is no such model, `out` is no place for it, or a
        stage fails. A stage has then printed the reason.
    """
    if not STAGES.is_dir():
        raise UserError(f"{STAGES}: no such folder; run this in the project's own one")
    if (out / "dvc.yaml").exists() or out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{out}: name another folder, not that of a project, and not in {folder}")
    if start and not start.is_dir():
        raise UserError(f"{start}: no such folder; name that of a model")
    given = read_model(start)[0]["kind"] if start and begins_from(start) else None
    base = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    source = {"source": "folder", "folder": str(folder.resolve())}
    out.mkdir(parents=True, exist_ok=True)

    def write(changes: dict[str, Any]) -> None:
        params = yaml.safe_dump(merged(base, changes), sort_keys=False, allow_unicode=True)
        files.write(out / PARAMS, params.encode())

    own = {"corpus": source, "device": device}
    write(own)
    run("corpus", out)
    kind = what or learned(files.read_table(out / "data/corpus/songs.csv"))
    if given not in (None, KIND[kind]):
        raise UserError(f"{start}: another kind of model; what is learned are {kind}")
    start = start or Path(MODEL[kind])
    changes = merged(own, LEARNING[kind])
    begun = {"start": str(start.resolve())} if begins_from(start) else {}
    tell(f"learning {kind}, from {start if begun else 'nothing'}")
    begins = {"generator": begun} if kind == KEYS else {"token_model": {"events": begun}}
    if kind == KEYS and begun:
        steps = files.read_json(start / "config.json")["steps_per_beat"]
        begins["dataset"] = {"steps_per_beat": steps}
    write(merged(changes, begins))
    (out / "data/start").mkdir(parents=True, exist_ok=True)
    for stage in PIPELINE[kind]:
        run(stage, out)
    tell(f"to see and to hear: open {out / 'results/page/index.html'}")
    tell(f"to go on from a song: ostinato continue SONG -o NEW.mid --model {out / MODEL[kind]}")


def run(stage: str, out: Path) -> None:
    """Run a stage of the pipeline in a folder.

    Parameters
    ----------
    stage : str
        Its name, and its arguments.
    out : Path
        The folder, with a params.yaml.

    Raises
    ------
    UserError
        When it fails. It has then printed the reason.
    """
    name, *arguments = stage.split()
    tell(f"running {stage}")
    script = (STAGES / f"{name}.py").resolve()
    sources = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=out,
        env=os.environ | {"PYTHONPATH": sources},
        check=False,
    )
    if done.returncode:
        raise UserError(f"{name} has failed")
