"""What the stage compose writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from making import PERFORMER, WHOLE, write_corpus

from ostinato.core import files
from ostinato.core.models import write_model
from ostinato.core.params import read_params
from ostinato.notes.compose.pieces import beginning_of, write_pieces
from ostinato.notes.data import dataset
from ostinato.notes.data.songs import Songs
from ostinato.notes.system import System
from ostinato.scores import given
from ostinato.scores.midi import read_midi
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy

PARAMS = read_params(Path(__file__).parents[3] / "params.yaml")


def duet(seed: int) -> Score:
    """Two voices in six bars of 3/4, after a pickup."""
    rng = np.random.default_rng(seed)
    rows = [
        (480 * beat, 480, low + int(rng.integers(12)), 80, part)
        for beat in range(2, 18)
        for part, low in ((0, 67), (1, 48))
    ]
    parts = [Part("Upper", 40), Part("Lower", 42)]
    return Score(
        tidy(np.array(rows, NOTE)), parts, [Metre(0, 3, 4)], [Tempo(0, 100.0)], f"No. {seed}"
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A dataset and models."""
    folder = tmp_path_factory.mktemp("given")
    splits = ["train", "valid", "test", "test"]
    songs = {f"{i}.mid": (split, duet(i)) for i, split in enumerate(splits)}
    (folder / "corpus").mkdir()
    write_corpus(folder / "corpus", songs)
    (folder / "dataset").mkdir()
    filters = dataset.Filters(4, [], [21, 108], None, 0.15, 1.0, "all")
    dataset.build(folder / "dataset", folder / "corpus", filters)
    torch.manual_seed(1)
    system = System(WHOLE, PERFORMER)
    with torch.no_grad():
        system.generator.sampler.sampler.sounds.bias += 0.2
    write_model(folder / "models/generator", system.generator, {"kind": "generator"} | WHOLE)
    write_model(folder / "models/decoder", system.performer, PERFORMER)
    return folder


@pytest.mark.parametrize("what", ["melody", "bass", "bars"])
def test_pieces_are_written_around_test_songs(folders, tmp_path, what):
    changes = {"pieces": 2, "sounds": 1, "bars": 4, "given": what, "particles": 4}
    settings = PARAMS.compose.model_copy(update=changes)
    write_pieces(tmp_path, folders / "dataset", folders / "models", settings, 1, "cpu", 1)
    rows = files.read_table(tmp_path / "pieces.csv")
    songs = Songs(folders / "dataset", "notes")
    assert {row["begins_as"] for row in rows} == {songs.id[song] for song in songs.of("test")}
    assert (tmp_path / "piece-01.png").exists()
    for row in rows:
        piece = read_midi(tmp_path / f"{row['piece']}.mid", pickup=False)
        song = beginning_of(songs, songs.id.index(row["begins_as"]), 4, 100.0)
        assert piece.metre == row["metre"] == "3/4"
        known = piece.notes[given.mask(piece, row["given"])]
        own = song.notes
        if what == "bars":
            own = own[(own["onset"] < 3 * 480) | (own["onset"] >= 9 * 480)]
        else:
            own = own[own["part"] == (what == "bass")]
        assert known[["onset", "length", "pitch"]].tolist() == (
            own[["onset", "length", "pitch"]].tolist()
        )
        assert len(piece.notes) > len(known)
        assert piece.end <= 12 * 480


def test_a_song_of_the_dataset_is_a_score_again(folders):
    songs = Songs(folders / "dataset", "notes")
    score = beginning_of(songs, 0, 100, 90.0)
    assert score.notes.tolist() == duet(0).notes.tolist()
    assert (score.metres, score.parts) == (duet(0).metres, duet(0).parts)
    short = beginning_of(songs, 0, 2, 90.0)
    assert short.end == 2 * 3 * 480


@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (2, 2), (6, 8), (12, 8), (3, 8), (5, 4), (7, 8)])
def test_metres_are_found_from_bars(metre):
    metres = [Metre(0, *metre), Metre(7680, 4, 4)]
    assert dataset.metres_of(dataset.bars_of(metres, 4), 4) == metres
