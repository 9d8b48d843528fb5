"""How much the default models repeat, and how near to real music they are, by temperature.

    python bench/repetition.py

120 pieces of 16 bars at each temperature, measured as by the stage evaluate, but against the
validation songs; the first row are the validation songs themselves, against the test songs.
"""

import argparse
from pathlib import Path

import numpy as np

from ostinato.core import devices
from ostinato.core.params import read_params
from ostinato.notes import system
from ostinato.notes.compose.compose import compose
from ostinato.notes.data.songs import Songs
from ostinato.notes.report import music
from ostinato.scores.sources import SPLITS

PIECES, BARS, TEMPERATURES = 120, 16, (0.6, 0.8, 1.0)


def main() -> None:
    """Compose at each temperature and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    devices.prepare(parser.parse_args().threads, 0)
    writer = system.load(Path("models/generator"), Path("models/decoder"))
    songs = Songs(Path("data/dataset"), writer.representation, velocities=True)
    beat = writer.steps_per_beat
    train, valid, test = (music.songs_of(songs, split, beat) for split in SPLITS)
    known = music.Known(train)
    settings = read_params(Path("params.yaml")).compose
    columns = ["repeated", "self-similarity at 1, 2, 4, 8 bars", "told apart", "overlap", "ends"]
    print(f"| | {' | '.join(columns)} | on tonic |")
    print("|---|---|---|---|---|---|---|")
    print(row("validation songs", valid, test, known))
    for temperature in TEMPERATURES:
        chosen = settings.model_copy(update={"temperature": temperature})
        composed = compose(writer, songs, PIECES, BARS, chosen, 7)
        rolls = [np.sign(piece.roll) for piece in composed]
        begun = [piece.song for piece in composed]
        pieces = music.Pieces(rolls, songs.bar[begun].tolist(), begun, beat)
        print(row(f"temperature {temperature}", pieces, valid, known), flush=True)


def row(name: str, pieces: music.Pieces, reference: music.Pieces, known: music.Known) -> str:
    """Format a row."""
    found = music.figures(pieces, known) | music.likeness(pieces, reference)
    similar = ", ".join(f"{mean:.2f}" for mean, _ in found["self_similarity"].values())
    named = ("told_apart", "overlap", "like_songs", "on_tonic")
    single = music.headline(found)
    cells = [f"{single['repetition']:.2f}", similar, *(f"{single[one]:.2f}" for one in named)]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
