"""What a token model of events learns from a collection of songs, part by part.

    python bench/bands.py FOLDER --pieces 40

The stages run with the parameters of params.yaml in a folder of their own. Printed are bits a note
of the test songs, those of n-grams beside, and a table: for all parts that have pitch together, for
each of the most common parts, and for drums, figures of what was composed beside those of as many
test songs, and how well a classifier tells the two apart.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ostinato import folders
from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.experiments import merged
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import quantise
from ostinato.notes.report import music
from ostinato.scores import grid
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.midi import read_midi
from ostinato.scores.parts import DRUMS, numbers_of
from ostinato.scores.score import TICKS_PER_BEAT, Score
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import load
from ostinato.tokens.report.evaluate import evaluate_next_token

STAGES = "corpus", *(f"{s} events" for s in ("tokens", "token_model", "token_compose"))
EVENTS = Path("data/tokens/events")

FEATURES = "keys", "struck", "note_length", "top_by_step", "scale_consistency", "groove_consistency"
"""From `ostinato.notes.report.features`."""

COLUMNS = ["part", "music", "pieces", *FEATURES, "repetition", "similar bars", "copy", "told apart"]


def of_part(score: Score, number: int, name: str) -> Score:
    """Keep a part: the one that is called so, or else that of a number, see `numbers_of`.

    Drums become something that has pitch.
    """
    used = np.unique(score.notes["part"]).tolist()
    own = numbers_of([score.parts[part] for part in used])
    kept = [part for part in used if name and score.parts[part].name == name]
    kept = kept or [part for part, its in zip(used, own, strict=True) if its == number]
    parts = [replace(part, drums=False) for part in score.parts]
    return replace(score, notes=score.notes[np.isin(score.notes["part"], kept)], parts=parts)


def pieces_of(scores: Sequence[Score], steps_per_beat: int) -> music.Pieces:
    """Render scores that have notes; each counts as a song of its own."""
    drawn, bars = [], []
    for score in scores:
        bar = score.metres[0].bar * steps_per_beat // TICKS_PER_BEAT
        notes = quantise(score, steps_per_beat)
        if not len(notes):
            continue
        end = int((notes["onset"] + notes["length"]).max())
        roll = rolls.render_roll(notes, 0, max(end, bar), representation="notes")
        drawn.append(np.sign(roll))
        bars.append(bar)
    return music.Pieces(drawn, bars, list(range(len(drawn))), steps_per_beat)


def row(part: str, name: str, pieces: music.Pieces, known: music.Known, apart: str) -> list[str]:
    """Describe some music."""
    found = music.figures(pieces, known)
    values = [f"{np.mean([w.figures[key] for w in pieces.windows]):.2f}" for key in FEATURES]
    one_bar = found["self_similarity"]["1"]
    return [
        part,
        name,
        str(len(pieces.rolls)),
        *values,
        f"{found['repetition'][0]:.2f}",
        f"{one_bar[0]:.2f}" if one_bar else "",
        str(found["longest_copy"]["max"]),
        apart,
    ]


def main() -> None:
    """Learn a collection, write pieces, and print what they are like."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=40)
    options = parser.parse_args()
    params = yaml.safe_load(folders.PARAMS.read_text(encoding="utf-8"))
    changes = {
        "corpus": {"source": "folder", "folder": str(options.folder.resolve())},
        "token_compose": {"events": {"pieces": options.pieces, "start": "beginning"}},
    }
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "data/start").mkdir(parents=True)
        files.write(work / folders.PARAMS, yaml.safe_dump(merged(params, changes)).encode())
        try:
            for stage in STAGES:
                folders.run(stage, work)
        except UserError as error:
            sys.exit(str(error))
        streams = Streams(work / EVENTS)
        found = evaluate_next_token(load(work / folders.MODEL[folders.EVENTS]), streams)
        model, ngram = (found[f"{who}_bits_a_note"] for who in ("model", "ngram"))
        print(f"bits a note of test songs: {model:.2f}; n-grams {ngram:.2f}\n", flush=True)
        show(work, streams.config)


def show(work: Path, config: dict[str, Any]) -> None:
    """Print the table."""
    steps = config["steps_per_beat"]
    songs: dict[str, list[Score]] = {"train": [], "valid": [], "test": []}
    for each in files.rows(work / "data/corpus" / SONGS):
        score = Stored.of(work / "data/corpus", each).score()
        swing = grid.swing_of(each)
        songs[each["split"]].append(grid.without_swing(score, *swing) if swing else score)
    written = sorted((work / "results/token_compose/events").glob("*.mid"))
    composed = [read_midi(path, pickup=False) for path in written]
    if config["swing"]:
        composed = [grid.without_swing(score, *config["swing"]) for score in composed]
    numbers: Counter[int] = Counter()
    names: dict[int, str] = {}
    for score in songs["train"]:
        parts = [score.parts[part] for part in np.unique(score.notes["part"]).tolist()]
        for number, part in zip(numbers_of(parts), parts, strict=True):
            numbers[number] += 1
            names.setdefault(number, part.name)
    common = [n for n, count in numbers.most_common(4) if 2 * count > len(songs["train"])]
    chosen: list[tuple[str, Callable[[Score], Score]]] = [("all that has pitch", lambda s: s)]
    chosen += [
        (DRUMS if n < 0 else names[n] or f"part {n}", partial(of_part, number=n, name=names[n]))
        for n in common
    ]
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for part, of in chosen:
        known = music.Known(pieces_of(list(map(of, songs["train"])), steps))
        one = pieces_of(list(map(of, composed)), steps)
        real = pieces_of(list(map(of, songs["test"][: len(composed)])), steps)
        apart = music.likeness(one, real)["told_apart"]
        told = f"{apart[0]:.2f} ± {apart[1]:.2f}" if apart else ""
        for name, pieces, last in (("composed", one, told), ("test songs", real, "")):
            print("| " + " | ".join(row(part, name, pieces, known, last)) + " |", flush=True)


if __name__ == "__main__":
    main()
