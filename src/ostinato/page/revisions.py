"""Runs of other revisions: experiments, commits and tags, as DVC's cache and remotes have them."""

import shutil
from pathlib import Path

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import tell
from ostinato.page.figures import METRICS, PLOTS, TRAININGS
from ostinato.page.run import Run
from ostinato.page.shelves import CORPUS
from ostinato.scores.archive import MIDI, SONGS, Stored

WORKSPACE = "workspace"
"""What DVC calls the files as they are now."""

FOLDERS = [
    "results/compose",
    "results/token_compose/events",
    "results/token_compose/chords",
    "results/token_compose/letters",
    "results/improvise",
    "results/reconstruct",
    "models/generator",
    "models/decoder",
]
FILES = [
    "params.yaml",
    f"{CORPUS}/{SONGS}",
    "results/systems.json",
    *(name for name, _ in METRICS.values()),
    *(f"results/{name}/curves.tsv" for name in TRAININGS),
    *PLOTS,
]
BEGUN = {"results/compose": "id", "results/token_compose/events": "source"}
"""Folders whose pieces begin as songs; by which column of songs.csv these are named."""


def run_of(revision: str, into: Path) -> Run:
    """Bring what the page shows of a revision of the project in the working directory.

    Parameters
    ----------
    revision : str
        The name of an experiment, a commit, a branch or a tag; or ``"workspace"``.
    into : Path
        An empty folder for its files.

    Returns
    -------
    Run
        What is neither in the cache nor in a remote is missing in it; a line says so.

    Raises
    ------
    UserError
        When there is no such revision, or none of its music is to be had.
    """
    if revision == WORKSPACE:
        return Run(WORKSPACE, Path())
    try:
        past = DVCFileSystem(rev=revision)
        past.ls("")  # `exists` would not say that there is no such revision
        known = past.exists("params.yaml")
    except DvcException as error:
        raise UserError(
            f"{revision}: {error}; `dvc exp list --all` lists experiments, `git log` commits"
        ) from error
    if not known:
        raise UserError(f"{revision}: has no params.yaml: no revision of this project")
    run = Run(revision, into)
    missing = [name for name in (*FOLDERS, *FILES) if not _brought(past, name, into)]
    if not _brought_songs(past, run):
        missing.append(f"{CORPUS}/{MIDI}")
    if not run.path("results/compose").is_dir():
        raise UserError(
            f"{revision}: its music is not in the cache; `dvc exp pull` brings an experiment, "
            f"`git checkout {revision} && dvc repro` makes it again"
        )
    if missing:
        tell(f"{revision}: not in the cache, and left out: {', '.join(missing)}")
    return run


def _brought_songs(past: DVCFileSystem, run: Run) -> bool:
    """Copy the songs that pieces begin as out of the archive, to the same places in an empty one.

    An archive may be large, and of its songs only a few are on the page.
    """
    name = f"{CORPUS}/{MIDI}"
    begun = {
        column: {row["begins_as"] for row in run.rows(f"{folder}/pieces.csv")}
        for folder, column in BEGUN.items()
    }
    try:
        if not past.isfile(name):
            return False
        with past.open(name) as archive, run.path(name).open("wb") as copy:
            for song in run.rows(f"{CORPUS}/{SONGS}"):
                if any(song[column] in names for column, names in begun.items()):
                    place = Stored.of(run.path(CORPUS), song)
                    archive.seek(place.first)
                    copy.seek(place.first)
                    copy.write(archive.read(place.bytes))
    except (FileNotFoundError, DataIndexDirError):
        return False
    return True


def _brought(past: DVCFileSystem, name: str, into: Path) -> bool:
    """Copy a file or a folder of a revision, if it has one; False if that is not to be had."""
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if past.isdir(name):
            past.get(name, str(path), recursive=True)
        elif past.isfile(name):
            files.write(path, past.read_bytes(name))
    except (FileNotFoundError, DataIndexDirError):  # of a folder, some files may be there
        shutil.rmtree(path, ignore_errors=True)
        return False
    return True
