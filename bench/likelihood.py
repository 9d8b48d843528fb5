"""The exact likelihood of polyphonic music, as papers have reported it since 2012.

    python bench/likelihood.py --data JSB_Chorales.mat --budget 60

A file holds the piano rolls of a collection as Boulanger-Lewandowski, Bengio and Vincent (ICML
2012) split them: MATLAB cells `traindata`, `validdata` and `testdata` of arrays of frames by 88
keys. A generator of the pipeline is trained on the first; the second chooses the best of its
weights, and the best of several models where there are several; the third is looked at once. What
is printed is the mean of -log p of a frame, given all frames before it, over all frames of all
songs, the first included, in nats. It is exact: samplers that only bound it are refused.

The budget is turned into a number of optimiser steps, which with the seed decides all else. The
JSON that is written holds what a run consisted of; `--steps` with its number repeats it. `--set`
changes parameters, as in `--set generator.memory=transformer`, and `--trial` leaves the test songs
alone.
"""

import argparse
import contextlib
import hashlib
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
import yaml
from scipy.special import logsumexp

from ostinato import files, fragments, rolls
from ostinato.errors import UserError
from ostinato.experiments import merged
from ostinato.fit import dataset
from ostinato.fit.generator import fit_generator
from ostinato.fragments import held_out
from ostinato.generator import Generator
from ostinato.models import weights_of
from ostinato.params import Params, read_params
from ostinato.scores.dataset import SONG_COLUMNS
from ostinato.songs import SPLITS, STEP_NOTE, Songs
from ostinato.training import best_of

PARAMS = Path("params.yaml")
RESULTS = Path("results/likelihood")

FULL: dict[str, Any] = {
    "dataset": {"representation": "onset"},
    "augment": {"steps": 128, "hop": 128, "shifts": [-6, 5]},
    "decoder": {"kind": "none"},
    "generator": {
        "keys": 88,
        "memory": "none",
        "sampler": "tied",
        "training": {
            "batch": 4,
            "learning_rate": 0.01,
            "epsilon": 1e-8,
            "final_rate": 0.02,
            "clip": 1.0,
            "validate_every": 200,
            "patience": 1000,
            "precision": "bfloat16",
            "weight_decay": 0.1,
            "average": 0.995,
        },
    },
    "memory": {"none": {"local": 32, "aggregation": 32}},
    "samplers": {
        "tied": {
            "cells": 128,
            "hidden": 96,
            "around": 24,
            "reach": 1024,
            "voice": 5,
            "dropout": 0.2,
            "input_dropout": 0.1,
        }
    },
}
"""In what the generator of full size differs from params.yaml."""

PROBES = 5, 25
"""Optimiser steps of the two short trainings that measure how long one takes."""


def read_cells(data: Path) -> dict[str, list[np.ndarray]]:
    """Read the frames of each song of each split, [frames, 88] of 0 and 1.

    Raises
    ------
    UserError
        When the file does not hold them.
    """
    if not data.is_file():
        raise UserError(f"{data}: no such file")
    try:
        cells = scipy.io.loadmat(data, variable_names=[f"{split}data" for split in SPLITS])
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"{data} is no MATLAB file up to version 7.2: {error}") from error
    songs = {}
    for split in SPLITS:
        found = cells.get(f"{split}data", np.empty(0, object)).ravel()
        songs[split] = list(found)
        if not songs[split]:
            raise UserError(f"{data}: there is no cell array {split}data")
        for number, frames in enumerate(songs[split]):
            if (
                frames.ndim != 2
                or frames.shape[1] != rolls.KEYS
                or not np.isin(frames, (0, 1)).all()
            ):
                raise UserError(f"{data}: {split}data, song {number}: frames by 88 keys, 0 or 1")
    return songs


def write_dataset(cells: dict[str, list[np.ndarray]]) -> None:
    """Write songs as a dataset of the pipeline, each frame as a step of onsets."""
    notes, rows = [], []
    for split, songs in cells.items():
        for number, frames in enumerate(songs):
            onset, key = np.nonzero(frames)
            found = np.zeros(len(onset), STEP_NOTE)
            found["song"], found["onset"], found["length"] = len(rows), onset, 1
            found["pitch"], found["velocity"] = key + rolls.LOWEST, 64
            notes.append(found)
            name = f"{split}/{number}"
            values = len(rows), name, name, split, "4/4", 16, len(frames), len(found)
            rows.append(dict(zip(SONG_COLUMNS, values, strict=True)))
    files.write_array(dataset.DATASET / "notes.npy", np.concatenate(notes))
    files.write_table(dataset.DATASET / "songs.csv", SONG_COLUMNS, rows)


def choose(settings: list[str]) -> dict[str, Any]:
    """Read params.yaml and change it to the generator of full size, and then as is wished."""
    values = merged(read_params(PARAMS).model_dump(), FULL)
    for setting in settings:
        name, _, value = setting.partition("=")
        change: Any = yaml.safe_load(value)
        for part in reversed(name.split(".")):
            change = {part: change}
        try:
            values = merged(values, change)
        except (KeyError, TypeError) as error:
            raise UserError(f"--set {setting}: {name} is no parameter of params.yaml") from error
    return values


def check(values: dict[str, Any]) -> Params:
    """Check parameters as the pipeline does, and that the likelihood will be exact."""
    PARAMS.write_text(yaml.safe_dump(values), encoding="utf-8")
    params = read_params(PARAMS)
    parts = {"memory": params.config("memory"), "sampler": params.config("samplers")}
    if not Generator({"keys": rolls.KEYS, **parts}).sampler.exact:
        raise UserError(f"{params.generator.sampler} only bounds the likelihood")
    return params


def of_length(params: Params, steps: int, seed: int) -> Params:
    """The same parameters with a seed and a number of optimiser steps."""
    training = params.generator.training.model_copy(update={"max_steps": steps})
    generator = params.generator.model_copy(update={"training": training})
    return params.model_copy(update={"seed": seed, "generator": generator})


def steps_within(params: Params, minutes: float, device: str) -> int:
    """Measure how many optimiser steps, with their validations, a time allows."""
    taken = []
    for steps in PROBES:
        begun = time.perf_counter()
        fit_generator(of_length(params, steps, seed=0), device)
        taken.append(time.perf_counter() - begun)
    step = (taken[1] - taken[0]) / (PROBES[1] - PROBES[0])
    validation = max(taken[0] - PROBES[0] * step, 0)
    left = minutes * 60 - sum(taken)
    return max(1, int(left / (step + validation / params.generator.training.validate_every)))


def frames_in_batch(params: Params, songs: Songs) -> float:
    """Count the frames of a training batch, as a mean; windows may reach over the end of a song."""
    rows = np.load(dataset.FRAGMENTS)
    rows = rows[rows["shift"] == 0]
    frames = np.minimum(songs.steps[rows["song"]] - rows["start"], params.augment.steps)
    return params.generator.training.batch * float(frames.mean())


@torch.no_grad()
def frame_nats(model: Generator, songs: Songs, split: str) -> np.ndarray:
    """Compute -log p of each frame of a split, in nats: float64, one song after another."""
    device = next(model.parameters()).device
    found = []
    for batch in held_out(songs, split, model.reach, rolls.KEYS):
        batch = batch.to(device)
        uniforms = batch.mask.new_zeros(*batch.mask.shape, model.draws)  # exact samplers use none
        log_prob, _ = model.log_prob(batch.notes, model.initial(batch.past, batch.start), uniforms)
        found.append(-log_prob[batch.mask > 0].double().cpu())
    return torch.cat(found).numpy()


def average(nats: list[np.ndarray]) -> np.ndarray:
    """-log of the mean of the probabilities that several models give each frame."""
    return math.log(len(nats)) - logsumexp([-each for each in nats], axis=0)


def run(options: argparse.Namespace, params: Params, songs: Songs) -> dict[str, Any]:
    """Train as many models as are wished, choose among them, and say what they are worth."""
    share = options.budget / options.models
    steps = options.steps or steps_within(params, share, options.device)
    frames = frames_in_batch(params, songs)
    models, rows = [], []
    for seed in range(1, options.models + 1):
        begun = time.perf_counter()
        model, _, history = fit_generator(of_length(params, steps, seed), options.device)
        seconds = time.perf_counter() - begun
        for row in history:
            row["minutes"] = row["step"] / history[-1]["step"] * seconds / 60
            print(f"minute {row['minutes']:.1f}: valid NLL {row['valid']:.4f}", flush=True)
        models.append(model.eval())
        rows.append(
            {
                "seed": seed,
                "frames_per_second": history[-1]["step"] * frames / seconds,
                "valid": best_of(history)["valid"],
                "history": history,
            }
        )
        print(
            f"model {seed}: {weights_of(model)} weights, {seconds / 60:.1f} minutes, "
            f"{rows[-1]['frames_per_second']:.0f} frames a second, "
            f"valid NLL {rows[-1]['valid']:.4f}",
            flush=True,
        )
    best = min(range(len(rows)), key=lambda i: rows[i]["valid"])
    found = {
        "steps": steps,
        "weights": weights_of(models[best]),
        "models": rows,
        "chosen": best + 1,
    }
    for split in ["valid"] if options.trial else ["valid", "test"]:
        nats = [frame_nats(model, songs, split) for model in models]
        found[split] = nats[best].mean()
        print(f"{split} NLL: {found[split]:.4f}")
        if len(models) > 1:
            found[f"{split}_average"] = average(nats).mean()
            print(f"{split} NLL of the average of {len(models)}: {found[f'{split}_average']:.4f}")
    return found


def main() -> None:
    """Train, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a .mat file")
    parser.add_argument("--budget", type=float, default=60.0, help="minutes of all trainings")
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--models", type=int, default=1, help="how many, that share the budget")
    parser.add_argument("--steps", type=int, help="of each training, in place of a budget")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters")
    parser.add_argument("--trial", action="store_true", help="do not look at the test songs")
    parser.add_argument("--out", type=Path, help=f"a JSON file; {RESULTS}/NAME.json")
    options = parser.parse_args()
    # Without it cuBLAS does not give the same bits twice.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    out = (options.out or RESULTS / f"{options.data.stem}.json").absolute()
    try:
        values, cells = choose(options.set), read_cells(options.data)
        digest = hashlib.sha256(options.data.read_bytes()).hexdigest()
        with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
            params = check(values)
            write_dataset(cells)
            songs = Songs(dataset.DATASET)
            augment = params.augment
            shifts = augment.shifts[0], augment.shifts[1]
            fragments.write_table(
                dataset.FRAGMENTS.parent, songs, augment.steps, augment.hop, shifts
            )
            found = run(options, params, songs)
    except UserError as error:
        sys.exit(str(error))
    told = {
        "data": options.data.name,
        "sha256": digest,
        "torch": torch.__version__.partition("+")[0],
        "device": options.device,
        "threads": params.threads,
        "augment": params.augment.model_dump(),
        "generator": params.generator.model_dump(exclude={"training": {"max_steps"}}),
        "memory": params.config("memory"),
        "sampler": params.config("samplers"),
    }
    files.write_json(out, told | found)


if __name__ == "__main__":
    main()
