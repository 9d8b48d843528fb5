"""What a model learns from few songs: from nothing, or from a model that is there.

    python bench/few_songs.py FOLDER... --songs 20 --steps 90 270 450

Of each folder, so many songs are learned with `ostinato train`, with so many steps of training. A
row of the table that is printed says what was learned (keys or events) and from what, the seconds
that all of it took, and then, of keys, the exact negative log-likelihood of test songs in nats a
step and the longest copy of a training song in steps, beside that of test songs; of events, bits a
note of the test songs, and those of n-grams.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ostinato import folders
from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.seeds import stable_hash
from ostinato.experiments import merged
from ostinato.scores.sources import files_in
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import load
from ostinato.tokens.report.evaluate import evaluate_next_token

COLUMNS = "folder", "learns", "from", "steps", "seconds", "test", "copy", "beside"


def measure(songs: Path, work: Path, kind: str, start: Path, steps: int) -> list[str]:
    """Learn songs, and return the last five columns."""
    training = {"training": {"max_steps": steps, "validate_every": max(steps // 6, 1)}}
    own = {"generator": training} if kind == folders.KEYS else {"token_model": {"events": training}}
    if kind == folders.KEYS:  # steps of one length, from whatever is begun
        ours = files.read_json(Path(folders.MODEL[kind]) / "config.json")
        own["dataset"] = {"steps_per_beat": ours["steps_per_beat"]}
        own["decoder"] = {"velocity": "none"}  # it would be trained alike every time
    before: dict[str, Any] = folders.LEARNING[kind]
    folders.LEARNING[kind] = merged(before, own)
    begun = time.perf_counter()
    try:
        folders.train(songs, work, kind, start, "auto")
    finally:
        folders.LEARNING[kind] = before
    seconds = f"{time.perf_counter() - begun:.0f}"
    if kind == folders.EVENTS:
        streams = Streams(work / "data/tokens/events")
        found = evaluate_next_token(load(work / folders.MODEL[kind]), streams)
        bits = (f"{found[f'{who}_bits_a_note']:.2f} bits a note" for who in ("model", "ngram"))
        test, beside = bits
        return [str(steps), seconds, test, "", f"{beside} (n-grams)"]
    folders.run("evaluate", work)
    report = files.read_json(work / "results/evaluate.json")
    composed, _, tested = report["sets"]
    nll = f"{report['prediction']['nll']:.3f} nats a step"
    copies = (str(each["longest_copy"]["max"]) for each in (composed, tested))
    return [str(steps), seconds, nll, *copies]


def main() -> None:
    """Measure all folders, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--steps", type=int, nargs="+", default=[90, 270, 450])
    parser.add_argument("--learn", choices=[folders.KEYS, folders.EVENTS], default=folders.KEYS)
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as work:
            songs, nothing = Path(work) / "songs", Path(work) / "nothing"
            songs.mkdir()
            nothing.mkdir()
            found = files_in(folder, "FOLDER", "scores")
            chosen = sorted(found, key=lambda path: stable_hash(path.name))[: options.songs]
            for number, path in enumerate(chosen):
                shutil.copy(path, songs / f"{number}{path.suffix}")
            ours = Path(folders.MODEL[options.learn])
            for name, start in (("nothing", nothing), ("ours", ours)):
                for steps in options.steps:
                    try:
                        rest = measure(songs, Path(work) / "out", options.learn, start, steps)
                    except UserError as error:
                        sys.exit(str(error))
                    row = [folder.name, options.learn, name, *rest]
                    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
