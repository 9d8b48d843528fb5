"""A small run of the pipeline, as the page reads it."""

import json
import shutil
from pathlib import Path

import numpy as np
from making import make_score, melody, with_drums, write_corpus

from ostinato.core import files
from ostinato.page.run import Run
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import Score
from ostinato.scores.synthesis import render
from ostinato.scores.wav import RATE, write_wav

ROOT = Path(__file__).parents[1]
SONGS = 2
TUNE = "X:1\nM:4/4\nL:1/4\nK:G\nG|GABc|d2B2|c2A2|G3|]\n"
PICKUP = 3 * 480


def write_piece(folder: Path, name: str, score: Score) -> None:
    files.write(folder / f"{name}.mid", midi_bytes(score))
    write_wav(folder / f"{name}.wav", render(score))


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (int(seconds * RATE), 2)).astype(np.float32)


def make_run(folder: Path, name: str = "this run", seed: int = 1, given: str = "1921") -> Run:
    """Write what stages would, and return it; another seed writes other pieces.

    `given` is what was given of those of several instruments.
    """
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    files.write(folder / "params.yaml", params.replace("seed: 1\n", f"seed: {seed}\n").encode())
    songs = {f"song-{i}.mid": ("test", melody(i, beats=32)) for i in range(SONGS)}
    write_corpus(folder / "data/corpus", songs)
    rows = files.read_table(folder / "data/corpus/songs.csv")
    composed, events = folder / "results/compose", folder / "results/token_compose/events"
    pieces, begun = [], []
    for number, row in enumerate(rows, 1):
        piece = f"piece-{number:02d}"
        write_piece(composed, piece, melody(10 * seed + number, beats=40))
        begins = {"piece": piece, "begins_as": row["id"], "given": 1920}
        pieces.append(begins | {"metre": "4/4", "steps": 160})
        write_piece(events, piece, with_drums(10 * seed + number))
        begun.append({"piece": piece, "begins_as": row["source"], "given": given})
    files.write_table(composed / "pieces.csv", list(pieces[0]), pieces)
    files.write_table(events / "pieces.csv", list(begun[0]), begun)
    letters = folder / "results/token_compose/letters"
    tune = make_score([(PICKUP + beat * 480, 480, 67) for beat in range(16)])
    write_piece(letters, "piece-01", tune)
    files.write(letters / "piece-01.abc", TUNE.encode())
    for stage in ("improvise", "reconstruct"):
        sound = folder / "results" / stage
        write_wav(sound / "song-1-abc.wav", noise(3, seed))
        write_wav(sound / "song-1-abc-original.wav", noise(3, 0))
        files.write(sound / "song-1-abc.png", b"")
    files.write_json(folder / "results/evaluate.json", EVALUATED)
    coded = {"seconds": 3.0, "border_ratio": {"conv": 1.0}}
    files.write_json(folder / "results/autoencoder/metrics.json", coded)
    curve = [{"step": step, "train": 3 / step, "valid": 4 / step} for step in (1, 2, 3)]
    path = folder / "results/generator/curves.tsv"
    files.write_table(path, ["step", "train", "valid"], curve, delimiter="\t")
    shutil.copy(ROOT / "results/systems.json", folder / "results/systems.json")
    shutil.copytree(ROOT / "systems", folder / "systems")
    return Run(name, folder)


def data_of(page: Path) -> dict:
    """What a page says."""
    text = (page / "data.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("=") + 1 : text.rindex(";")])


EVALUATED = {
    "prediction": {"nll": 1.25, "exact": True},
    "music": {"told_apart": 0.75, "longest_copy": 12},
    "sets": [
        {
            "name": name,
            "features": {"note_length": [4.0, 0.5], "parallels": [share, 0.01]},
            "self_similarity": {"1": [0.2, 0.05], "2": None},
        }
        for name, share in (("compositions", 0.02), ("test_songs", 0.01))
    ],
}
