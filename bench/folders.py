"""What becomes of collections of scores that people have.

    python bench/folders.py FOLDER...

Each folder is read as a corpus and put on a grid as a dataset, with the parameters of params.yaml.
A row of the table that is printed says how many files are in it, what share of them is used, how
many were mended, how many songs have a metre that was found in their notes, and how many have no
beats in their file, so that they were found; then why songs are left out, and how many files were
read in a second. What was read before is read again.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.params import read_params
from ostinato.notes.data import dataset
from ostinato.scores import corpus
from ostinato.scores.sources import files_in

MEASURED = (
    "folder",
    "files",
    "songs",
    "used",
    "mended",
    "metre found",
    "beats found",
    "files a second",
)


def measure(folder: Path, work: Path) -> dict[str, str]:
    """Read a folder, and describe what came of it."""
    params = read_params(Path("params.yaml"))
    many = len(files_in(folder, "FOLDER", "scores"))
    begun = time.perf_counter()
    corpus.build(work / "corpus", "folder", folder)
    seconds = time.perf_counter() - begun
    songs = files.read_table(work / "corpus/songs.csv")
    out = files.read_table(work / "corpus/rejected.csv")
    filters = dataset.Filters(**params.dataset.model_dump(exclude={"representation"}))
    dataset.build(work / "dataset", work / "corpus", filters)
    used = files.read_table(work / "dataset/songs.csv")
    refused = files.read_table(work / "dataset/rejected.csv")
    why = Counter(each["reason"].split(":")[0][:60] for each in out)
    why += Counter(each["filter"] for each in refused)
    for reason, count in why.most_common(8):
        print(f"  {folder.name}: {count} left out: {reason}")
    twice = sum(each["reason"].startswith("the same notes") for each in out)
    return {
        "folder": folder.name,
        "files": str(many),
        "songs": str(len(songs)),
        "used": f"{len(used) / (len(songs) + len(out) - twice):.1%}",
        "mended": str(sum(bool(song["mended"]) for song in songs)),
        "metre found": str(sum(song["metre_from"] == "notes" for song in songs)),
        "beats found": str(sum(not song["steps_per_beat"] for song in songs)),
        "files a second": f"{many / seconds:.1f}",
    }


def main() -> None:
    """Measure all folders, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    rows = []
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as work:
            os.environ["OSTINATO_CACHE"] = work
            for name in ("corpus", "dataset"):
                (Path(work) / name).mkdir()
            try:
                rows.append(measure(folder, Path(work)))
            except UserError as error:
                sys.exit(str(error))
    print("| " + " | ".join(MEASURED) + " |")
    print("|---" * len(MEASURED) + "|")
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
