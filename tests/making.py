"""Scores, MIDI files and small models made on the spot."""

import io
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import torch

from ostinato.core import files
from ostinato.notes.data import dataset
from ostinato.notes.data.positions import Bars, Positions
from ostinato.scores.archive import MIDI, SONGS, writing_archive
from ostinato.scores.corpus import SONG_COLUMNS
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy

FILTERS = dataset.Filters(
    steps_per_beat=4,
    meters=["4/4", "3/4"],
    pitches=[21, 108],
    max_tempo_changes=3,
    grid_tolerance=0.15,
    max_off_grid=0.2,
    parts="all",
)


READER = {
    "network": "lstm",
    "input": "onehot",
    "embedding": 4,
    "hidden": 8,
    "layers": 1,
    "dropout": 0.0,
    "window": 9,
}
"""A small token model."""


def positions(*firsts: int, steps: int) -> torch.Tensor:
    """Where steps stand in pieces of 50 bars of 4/4, from a first one on: Tensor[B, steps, 10]."""
    piece = Positions([Bars(0, 16, 4)], 800)
    return torch.from_numpy(np.stack([piece(first, steps) for first in firsts]))


CONFIG = {
    "keys": 12,
    "representation": "onset",
    "steps_per_beat": 4,
    "metre": False,
    "memory": {
        "name": "history_user",
        "lags": [4, 8, 16],
        "history_as_input": False,
        "local": 6,
        "read": 6,
        "aggregation": 8,
    },
    "sampler": {"name": "banning", "voices": 5, "hidden": 6, "shared": True, "objective": "bound"},
    "repeating": None,
}
DECODER = {
    "kind": "lstm",
    "representation": "onset",
    "decoder": {"name": "lstm", "hidden": 6},
    "velocity": None,
}
"""Those of a small system, A18, before training."""


WHOLE = CONFIG | {
    "keys": 88,
    "representation": "notes",
    "metre": True,
    "sampler": {
        "name": "tied", "cells": 4, "hidden": 6, "radius": 12, "match_steps": 16, "match_radius": 5,
        "dropout": 0.0, "input_dropout": 0.0,
    },
    "repeating": {"lags": [4, 8], "hidden": 3},
}  # fmt: skip
PERFORMER = {
    "kind": "none", "representation": "notes", "decoder": {"name": "none"}, "velocity": None,
}  # fmt: skip
"""Those of a small system that writes whole notes, before training."""


def make_score(
    notes: Sequence[tuple[int, int, int]], metre: tuple[int, int] = (4, 4), title: str = ""
) -> Score:
    """A score of one part from (onset, length, pitch) in ticks."""
    rows = [(onset, length, pitch, 80, 0) for onset, length, pitch in notes]
    return Score(
        tidy(np.array(rows, NOTE)), [Part("Piano")], [Metre(0, *metre)], [Tempo(0, 100.0)], title
    )


def melody(seed: int, beats: int = 32, metre: tuple[int, int] = (4, 4)) -> Score:
    """A song in two voices, on the beat with some eighths, a different one for each seed."""
    rng = np.random.default_rng(seed)
    notes = []
    for beat in range(beats):
        high = 60 + int(rng.integers(20))
        notes.append((beat * 480, 480, 40 + int(rng.integers(12))))
        notes.append((beat * 480, 240, high))
        if rng.random() < 0.5:
            notes.append((beat * 480 + 240, 240, high + 2))
    return make_score(notes, metre, f"Song {seed}")


def with_drums(seed: int, program: int = 80, tempi: Sequence[Tempo] = (Tempo(0, 150.0),)) -> Score:
    """A song of a lead, a bass and drums, all on each of 16 beats."""
    rng = np.random.default_rng(seed)
    rows = [
        row
        for beat in range(16)
        for row in (
            (beat * 480, 480, int(rng.integers(60, 80)), 90, 0),
            (beat * 480, 240, int(rng.integers(30, 50)), 70, 1),
            (beat * 480, 120, 38, 100, 2),
        )
    ]
    parts = [Part("Lead", program), Part("Bass", 33), Part("Kit", 0, drums=True)]
    return Score(tidy(np.array(rows, NOTE)), parts, [Metre(0, 4, 4)], list(tempi))


def write_corpus(folder: Path, songs: dict[str, tuple[str, Score]]) -> Path:
    """A corpus as stage corpus writes it, from source to split and score."""
    rows = []
    with writing_archive(folder / MIDI) as archive:
        for number, (source, (split, score)) in enumerate(songs.items()):
            row = {"id": str(number), "title": "", "source": source, "metre": "4/4", "split": split}
            rows.append(row | archive.add(str(number), midi_bytes(score)))
    files.write_table(folder / SONGS, SONG_COLUMNS, rows)
    return folder


def raw_midi(*tracks: list[mido.Message], resolution: int = 480) -> bytes:
    """A MIDI file of any messages, for what our own writer never writes."""
    file = mido.MidiFile(type=1, ticks_per_beat=resolution)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()
