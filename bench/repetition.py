"""How much the default models repeat, and how near to real music they are, by temperature.

    python bench/repetition.py

120 pieces of 240 steps at each temperature, measured as by the stage evaluate, but against the
validation songs; the first row are the validation songs themselves, against the test songs.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core import training
from ostinato.core.params import read_params
from ostinato.notes import system
from ostinato.notes.compose.compose import SEED_STEPS, Piece, compose
from ostinato.notes.data.songs import Songs
from ostinato.notes.report import evaluate, metrics

PIECES, BARS, TEMPERATURES = 120, 16, (0.6, 0.8, 1.0)


def main() -> None:
    """Compose at each temperature and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    training.prepare(parser.parse_args().threads, 0)
    writer = system.load(Path("models/generator"), Path("models/decoder"))
    songs = Songs(Path("data/dataset"), writer.representation, velocities=True)
    valid = evaluate.songs_of(songs, "valid")
    known = metrics.Copies(evaluate.songs_of(songs, "train").rolls)
    settings = read_params(Path("params.yaml")).compose
    print("| | repeated | self-similarity at 1, 2, 4, 8 bars | distances |\n|---|---|---|---|")
    test, beat = evaluate.songs_of(songs, "test"), writer.steps_per_beat
    print(row("validation songs", evaluate.music_figures(valid, test, known, beat)))
    for temperature in TEMPERATURES:
        chosen = settings.model_copy(update={"temperature": temperature})
        pieces = new_music(compose(writer, songs, PIECES, BARS, chosen, 7), songs)
        measured = evaluate.music_figures(pieces, valid, known, beat)
        print(row(f"temperature {temperature}", measured), flush=True)


def new_music(pieces: list[Piece], songs: Songs) -> evaluate.Pieces:
    """Take what is new, from the first whole bar on."""
    bars = [int(songs.bar[piece.song]) for piece in pieces]
    first = [-(-SEED_STEPS // bar) * bar for bar in bars]
    rolls = [np.sign(piece.roll[begin:]) for piece, begin in zip(pieces, first, strict=True)]
    return evaluate.Pieces(rolls, bars)


def row(name: str, found: dict[str, Any]) -> str:
    """Format a row."""
    similar = ", ".join(f"{value:.2f}" for value in found["self_similarity"].values())
    distances = ", ".join(f"{kind} {value:.2f}" for kind, value in found["distance"].items())
    return f"| {name} | {found['repetition']:.2f} | {similar} | {distances} |"


if __name__ == "__main__":
    main()
