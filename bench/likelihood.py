"""The exact likelihood of polyphonic music, as papers have reported it since 2012.

    python bench/likelihood.py --data JSB_Chorales.mat --budget 60

A .mat file holds the piano rolls of a collection as Boulanger-Lewandowski, Bengio and Vincent (ICML
2012) split them: MATLAB cells `traindata`, `validdata` and `testdata` of arrays of frames by 88
keys. A generator of the pipeline is trained on the first; the second chooses the best of its
weights, and the best of several models where there are several; the third is looked at once. What
is printed is the mean of -log p of a frame, given all frames before it, over all frames of all
songs, the first included, in nats. It is exact: samplers that only bound it are refused.

A .json file holds chorales in sixteenths: `train`, `valid` and, if it is there, `test`, lists of
songs, which are lists of frames of four pitches, -1 for silence. A frame is four tokens, and nats a
token are printed, too; bench/four_parts.py says how keys and parts are counted. A key that sounds
at two frames in a row is held: `tied` cannot strike it again. What the gate copies can, and such
copies are lost, so that with the gate the figure is an upper bound. Bars are taken to have 16
frames, the last of them whole, so that the length of a song says where they begin. With
`generator.metre`, the generator knows the length and the final of a song before its first frame.
Neither is free: the negative logarithms of their probabilities count as tokens do, and what is
printed is the likelihood of the tokens together with both.

The budget, of all models together, is turned into a number of optimiser steps, which with the seed
decides all else; a training ends early when validations bring nothing better. It is printed, and
with the same other options it repeats the run. The JSON that is written holds all that a run
consisted of. `--set` changes parameters: `generator.memory=transformer`, or `threads=16`.
Devices but the CPU compute in float32. `--trial` leaves the test songs alone.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import four_parts
import numpy as np
import scipy.io
import torch
import yaml
from scipy.io.matlab import MatReadError
from scipy.special import logsumexp
from scipy.stats import norm

from ostinato.core import files, training
from ostinato.core.errors import UserError
from ostinato.core.models import weights_of
from ostinato.core.params import Params, read_params
from ostinato.experiments import merged
from ostinato.notes.data import fragments, rolls
from ostinato.notes.data.dataset import SONG_COLUMNS
from ostinato.notes.data.fragments import held_out
from ostinato.notes.data.songs import STEP_NOTE, Songs
from ostinato.notes.fit.dataset import Data
from ostinato.notes.fit.generator import config_of, generator_task
from ostinato.notes.generator import Generator
from ostinato.notes.samplers import tied
from ostinato.scores.sources import SPLITS

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
        "repeating": False,
        "metre": False,
        "training": {
            "optimizer": "adam",
            "batch": 4,
            "learning_rate": 0.01,
            "lr_min_factor": 0.02,
            "epsilon": 1e-8,
            "weight_decay": 0.1,
            "clip": 1.0,
            "ema_decay": 0.995,
            "validate_every": 200,
            "patience": 8,
            "precision": "auto",
        },
    },
    "memory": {"none": {"local": 32, "aggregation": 32}},
    "samplers": {
        "tied": {
            "cells": 128,
            "hidden": 96,
            "radius": 24,
            "match_steps": 1024,
            "match_radius": 5,
            "dropout": 0.2,
            "input_dropout": 0.1,
        }
    },
}
"""What counts in place of params.yaml, so that figures stay when its defaults change."""

SIXTEENTHS: dict[str, Any] = {
    "dataset": {"representation": "notes"},
    "augment": {"steps": 256, "hop": 32},
    "generator": {
        "repeating": True,
        "metre": True,
        "training": {"batch": 8, "lr_min_factor": 0.35, "ema_decay": 0.99},
    },
    "samplers": {"tied": {"match_steps": 256, "dropout": 0.45, "input_dropout": 0.25}},
}
"""What counts besides for chorales in sixteenths, whose keys are held from frame to frame."""

BAR, BEAT = 16, 4
"""Lengths of a bar and of its beats in sixteenths, as far as is known."""

NARROWEST = 0.1
"""The least standard deviation of the logarithm of a number of bars."""

PROBES = 1, 5, 25
"""Optimiser steps of the short trainings that measure how long one takes."""

SHARE = 0.2
"""Time of validations, at the most, in that of optimiser steps."""

IMPOSSIBLE = 1e4
"""Minus a logit whose probability is 0 in float32, and which stays so while it decays."""

DECIDED = {
    "seed": "models have the seeds 1, 2, ...",
    "generator.keys": "frames have 88 keys",
    "decoder.kind": "frames have 88 keys, which need no decoder",
    "generator.training.max_steps": "say --steps",
}
"""Parameters that are not for setting, and why."""


@dataclass(frozen=True)
class Collection:
    """Songs of each split.

    Attributes
    ----------
    cells : dict of str to list of ndarray[uint8], shape [frames, 88]
        1 where a key sounds.
    parts : dict of str to list of ndarray[int64], shape [frames, 4], or None
        The pitch that each part sings, -1 where it is silent; None if that is not known.
    """

    cells: dict[str, list[np.ndarray]]
    parts: dict[str, list[np.ndarray]] | None = None


def read_collection(data: Path) -> Collection:
    """Read a file of either kind; see `read_cells` and `read_parts`."""
    if not data.is_file():
        raise UserError(f"{data}: no such file")
    if data.suffix != ".json":
        return Collection(read_cells(data))
    parts = read_parts(data)
    return Collection({split: four_parts.rolls_of(songs) for split, songs in parts.items()}, parts)


def read_parts(data: Path) -> dict[str, list[np.ndarray]]:
    """Read the tokens of each song of each split, [frames, 4]; there may be no test songs.

    Raises
    ------
    UserError
        When the file does not hold them.
    """
    try:
        found = json.loads(data.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{data} is no JSON: {error}") from error
    if not isinstance(found, dict) or not {"train", "valid"} <= set(found):
        raise UserError(f"{data}: there are no songs under train and valid")
    highest = rolls.LOWEST + rolls.KEYS - 1
    songs = {}
    for split in [split for split in SPLITS if split in found]:
        if not isinstance(found[split], list) or not found[split]:
            raise UserError(f"{data}: {split} is no list of songs")
        songs[split] = []
        for number, song in enumerate(found[split], 1):
            try:
                tokens = np.array(song)
            except ValueError:  # frames of different lengths
                tokens = np.zeros(0)
            if tokens.dtype.kind != "i":
                tokens = np.zeros(0, int)
            sung = tokens[tokens != four_parts.SILENT]
            inside = (sung >= rolls.LOWEST) & (sung <= highest)
            if tokens.ndim != 2 or tokens.shape[1:] != (four_parts.PARTS,) or not inside.all():
                wanted = f"frames of four pitches, {rolls.LOWEST} to {highest}, or -1"
                raise UserError(f"{data}: {split}, song {number} is not {wanted}")
            songs[split].append(tokens)
    return songs


def read_cells(data: Path) -> dict[str, list[np.ndarray]]:
    """Read the frames of each song of each split, [frames, 88] of 0 and 1.

    Raises
    ------
    UserError
        When the file does not hold them.
    """
    try:
        cells = scipy.io.loadmat(data, variable_names=[f"{split}data" for split in SPLITS])
    except (ValueError, IndexError, NotImplementedError, OSError, MatReadError) as error:
        raise UserError(f"{data} is no whole MATLAB file up to version 7.2: {error}") from error
    songs = {}
    for split in SPLITS:
        if f"{split}data" not in cells or not cells[f"{split}data"].size:
            raise UserError(f"{data}: there is no cell array {split}data")
        songs[split] = list(cells[f"{split}data"].ravel())
        for number, frames in enumerate(songs[split], 1):
            if not is_roll(frames):
                wanted = "an array of frames, one at least, by 88 keys, 0 or 1"
                raise UserError(f"{data}: {split}data, song {number} is not {wanted}")
    return songs


def is_roll(frames: Any) -> bool:
    """Whether something is a piano roll that can be learned from."""
    return (
        isinstance(frames, np.ndarray)
        and frames.ndim == 2
        and frames.shape[1] == rolls.KEYS
        and len(frames) > 0
        and bool(np.isin(frames, (0, 1)).all())
    )


def write_dataset(out: Path, cells: dict[str, list[np.ndarray]], lengths: bool) -> None:
    """Write songs as a dataset of the pipeline.

    Each key of a frame is a note of one step; with lengths, a key that sounds at consecutive frames
    is one note.
    """
    notes, rows = [], []
    for split, songs in cells.items():
        for number, frames in enumerate(songs):
            padded = np.pad(frames.astype(bool), ((1, 1), (0, 0)))
            begins, ends = (padded[1:-1] & ~padded[:-2], padded[1:-1] & ~padded[2:])
            if not lengths:
                begins = ends = frames.astype(bool)
            # Sorted by key and time, each beginning is beside its end.
            key, onset = np.nonzero(begins.T)
            length = np.nonzero(ends.T)[1] - onset + 1
            order = np.lexsort((key, onset))
            key, onset, length = key[order], onset[order], length[order]
            found = np.zeros(len(onset), STEP_NOTE)
            found["song"], found["onset"], found["length"] = len(rows), onset, length
            found["pitch"], found["velocity"] = key + rolls.LOWEST, 64
            notes.append(found)
            name, pickup = f"{split}/{number}", len(frames) % BAR
            bars = f"0:{pickup}:{BEAT} {pickup}:{BAR}:{BEAT}" if pickup else f"0:{BAR}:{BEAT}"
            known = len(rows), name, name, split, "4/4", 4, bars, len(frames), len(found), "0"
            values = [*known, "", "", ""]
            rows.append(dict(zip(SONG_COLUMNS, values, strict=True)))
    files.write_array(out / "notes.npy", np.concatenate(notes))
    files.write_table(out / "songs.csv", SONG_COLUMNS, rows)


def choose(settings: list[str], device: str, sixteenths: bool = False) -> dict[str, Any]:
    """Read params.yaml and change it to the generator of full size, and then as is wished."""
    values = merged(read_params(PARAMS).model_dump(), FULL)
    if sixteenths:
        values = merged(values, SIXTEENTHS)
    values["device"] = device
    for setting in settings:
        name, _, value = setting.partition("=")
        if name in DECIDED:
            raise UserError(f"--set {setting}: {DECIDED[name]}")
        try:
            change: Any = yaml.safe_load(value)
            for part in reversed(name.split(".")):
                change = {part: change}
            values = merged(values, change)
        except yaml.YAMLError as error:
            raise UserError(f"--set {setting}: {value} is not YAML") from error
    if values["generator"]["metre"] and not sixteenths:
        # The generator would know how long songs are, which counts in sixteenths alone.
        raise UserError("generator.metre: true is for chorales in sixteenths, whose bars are known")
    return values


def check(values: dict[str, Any], cells: dict[str, list[np.ndarray]], work: Path) -> Params:
    """Check parameters as the pipeline does, and that every frame will have a likelihood."""
    path = work / PARAMS
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    params = read_params(path)
    sampler = Generator(config_of(params, 4)).sampler
    if not sampler.exact:
        raise UserError(f"{params.generator.sampler} only bounds the likelihood")
    for split, songs in cells.items():
        for number, frames in enumerate(songs, 1):
            if params.generator.metre and not frames[[0, -1]].any(1).all():
                raise UserError(
                    f"{split}, song {number} begins or ends in silence, of which a generator that "
                    "knows its bars would know more than is counted: --set generator.metre=false"
                )
            if not sampler.in_support(torch.from_numpy(frames.astype(np.float32))[None]).all():
                raise UserError(
                    f"{params.generator.sampler} as it is set cannot draw all frames of "
                    f"{split}data, song {number}: up to {int(frames.sum(1).max())} keys"
                )
    return params


def prepare(params: Params, cells: dict[str, list[np.ndarray]], work: Path) -> Data:
    """Write what trainings read, as the stages dataset and augment do."""
    augment = params.augment
    representation = params.dataset.representation
    data = Data(work / "dataset", work / "fragments", representation, augment.steps)
    write_dataset(data.dataset, cells, representation == "notes")
    shifts = augment.shifts[0], augment.shifts[1]
    fragments.write_table(data.fragments, data.songs, augment.steps, augment.hop, shifts)
    return data


def of_length(params: Params, steps: int, every: int) -> Params:
    """The same parameters with a number of optimiser steps, and of those between validations."""
    update = {"max_steps": steps, "validate_every": every}
    training = params.generator.training.model_copy(update=update)
    generator = params.generator.model_copy(update={"training": training})
    return params.model_copy(update={"generator": generator})


def plan(
    options: argparse.Namespace, params: Params, cells: dict[str, list[np.ndarray]], work: Path
) -> tuple[int, int]:
    """Measure how many optimiser steps a model may take, and how many between validations.

    Validations come as often as the parameters say, or seldom enough to take no more than a
    `SHARE` of the time of the steps. At the end of each model come the last validation and, by
    their frames, as much for the validation songs and for the test songs.
    """
    minutes = options.budget
    too_few = UserError(f"{minutes:g} minutes are too few; a model needs more to be measured")
    begun = time.perf_counter()
    # Steps are timed with a short validation, whose time would hide theirs.
    data = prepare(params, cells | {"valid": [min(cells["valid"], key=len)]}, work)
    ends = [begun]
    for steps in PROBES:
        task = generator_task(of_length(params, steps, steps), data)
        training.fit(task)
        ends.append(time.perf_counter())
        if ends[-1] - begun > minutes * 60:
            raise too_few
    _, few, many = np.diff(ends)  # the first also pays for whatever starts once
    once, batch = 0.0, generator_task(params, data).batch
    for number in range(PROBES[2]):
        # A song is searched for matches once, whatever the number of steps.
        begin = time.perf_counter()
        batch(number)
        again = time.perf_counter()
        batch(number)
        found = (again - begin) - (time.perf_counter() - again)
        many -= found * (number >= PROBES[1])
        once += found
    once *= len(cells["train"]) / PROBES[2] / params.generator.training.batch
    step = (many - few) / (PROBES[2] - PROBES[1])
    if step <= 0:
        raise UserError("this machine is too busy for its speed to be measured; say --steps")
    data, before = prepare(params, cells, work), time.perf_counter()
    frame_nats(task.model, data.songs, "valid")
    now = time.perf_counter()
    validation, wanted = now - before, params.generator.training.validate_every
    every = wanted * math.ceil(validation / (SHARE * step * wanted))
    valid, test = (sum(map(len, cells.get(split, []))) for split in ("valid", "test"))
    end = validation * (2 + test / valid) + max(once, 0)
    seconds = (minutes * 60 - (now - begun)) / options.models - end
    steps = int(seconds / (step + validation / every))
    if steps < 1:
        raise too_few
    return steps, every


def frames_in_batch(params: Params, data: Data) -> float:
    """Count the frames of a training batch, as a mean; windows may reach over the end of a song."""
    rows = np.load(data.fragments / "fragments.npy")
    rows = rows[rows["shift"] == 0]
    frames = np.minimum(data.songs.steps[rows["song"]] - rows["start"], params.augment.steps)
    return params.generator.training.batch * float(frames.mean())


@torch.no_grad()
def frame_nats(model: Generator, songs: Songs, split: str) -> np.ndarray:
    """Compute -log p of each frame of a split, in nats: float64, the longest songs first."""
    device = next(model.parameters()).device
    found = []
    for batch in held_out(songs, split, model.context_length, rolls.KEYS):
        batch = batch.to(device)
        uniforms = batch.mask.new_zeros(
            *batch.mask.shape, model.num_uniforms
        )  # exact samplers use none
        log_prob, _ = model.log_prob(
            batch.notes, model.initial(batch.past, batch.positions), uniforms
        )
        found.append(-log_prob[batch.mask > 0].cpu().double())
    return torch.cat(found).numpy()


def average(nats: list[np.ndarray]) -> np.ndarray:
    """-log of the mean of the probabilities that several models give each frame."""
    return math.log(len(nats)) - logsumexp([-each for each in nats], axis=0)


def only_hold(model: Generator) -> None:
    """Make it impossible to strike a key again that sounds, since frames do not tell."""
    for part in model.modules():
        if isinstance(part, tied.Model) and part.lengths:
            part.sounds.bias.data[1] = -IMPOSSIBLE


def train(
    params: Params, frames: float, data: Data
) -> tuple[Generator, np.ndarray, dict[str, Any]]:
    """Train a model, and print its validation loss against time.

    Returns
    -------
    model : Generator
    nats : ndarray
        Of the frames of validation songs, as from `frame_nats`.
    found : dict
        Seed, times and losses.
    """
    history = []
    begun = time.perf_counter()

    def told(rows: training.History) -> None:
        row, minutes = rows[-1], (time.perf_counter() - begun) / 60
        history.append({**row, "minutes": minutes})
        print(f"minute {minutes:.1f}: valid NLL {row['valid']:.4f}", flush=True)

    task = generator_task(params, data)
    only_hold(task.model)
    training.fit(task, told)
    only_hold(task.model)
    model, seconds = task.model, time.perf_counter() - begun
    nats = frame_nats(model, data.songs, "valid")
    found = {
        "seed": params.seed,
        "minutes": seconds / 60,
        "frames_per_second": history[-1]["step"] * frames / seconds,
        "valid": float(nats.mean()),
        "history": history,
    }
    print(
        f"model {params.seed}: {weights_of(model)} weights, {seconds / 60:.1f} minutes, "
        f"{found['frames_per_second']:.0f} frames a second, valid NLL {found['valid']:.4f}",
        flush=True,
    )
    return model, nats, found


def summary(nats: list[np.ndarray], best: int, split: str) -> dict[str, float]:
    """Print what one model, and the average of all, are worth on a split."""
    found = {split: float(nats[best].mean())}
    print(f"{split} NLL: {found[split]:.4f}")
    if len(nats) > 1:
        found[f"{split}_average"] = float(average(nats).mean())
        print(f"{split} NLL of the average of {len(nats)}: {found[f'{split}_average']:.4f}")
    return found


def nats_of_length(known: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Compute -log p of the lengths of songs.

    The number of whole bars has a log-normal distribution, rounded down; what is left over, in
    frames, has that of the songs that are known, one song more for each possibility.

    Parameters
    ----------
    known, frames : ndarray[int64]
        Lengths of the training songs, and of others, in frames.

    Returns
    -------
    ndarray[float64]
        Nats, as many as `frames`.
    """
    logs = np.log(known // BAR + 0.5)
    edges = np.log([frames // BAR + 1, np.maximum(frames // BAR, 1e-9)])
    bars = norm.cdf(edges, logs.mean(), max(logs.std(), NARROWEST))
    rest = np.bincount(known % BAR, minlength=BAR) + 1
    return -np.log(bars[0] - bars[1]) - np.log(rest / rest.sum())[frames % BAR]


def nats_a_token(
    parts: dict[str, list[np.ndarray]], nats: dict[str, np.ndarray], seed: int, lengths: bool
) -> dict[str, Any]:
    """Compute the likelihood of a token of four parts: the keys, and how they are divided.

    Parameters
    ----------
    parts : dict
        As `Collection.parts`.
    nats : dict of str to ndarray[float64], shape [frames]
        -log p of each frame's keys, for the splits that are measured.
    seed : int
        Seed for the assignment.
    lengths : bool
        Whether the generator knows the length of a song, which then counts, too.

    Returns
    -------
    dict
        ``tokens``: nats a token of each split. ``divided``, ``lengths``: how much of it is the
        assignment, and the length.
    """
    model = four_parts.fit(parts["train"], seed)
    frames = {split: np.array([len(song) for song in songs]) for split, songs in parts.items()}
    found: dict[str, Any] = {"tokens": {}, "divided": {}, "lengths": {}}
    for split, of_keys in nats.items():
        tokens = frames[split].sum() * four_parts.PARTS
        divided = four_parts.nats(model, parts[split]).sum() / tokens
        length = nats_of_length(frames["train"], frames[split]).sum() / tokens * lengths
        found["tokens"][split] = float(of_keys.sum() / tokens + divided + length)
        found["divided"][split], found["lengths"][split] = float(divided), float(length)
        print(
            f"{split}: {found['tokens'][split]:.4f} nats a token, {divided:.4f} of them for the "
            f"division among parts, {length:.4f} for the length of the song"
        )
    return found


def run(
    options: argparse.Namespace,
    params: Params,
    collection: Collection,
    work: Path,
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Train as many models as are wished, choose among them, and say what they are worth."""
    cells = collection.cells
    steps, every = options.steps, params.generator.training.validate_every
    if not steps:
        steps, every = plan(options, params, cells, work)
    print(
        f"each model: --steps {steps} --set generator.training.validate_every={every}", flush=True
    )
    params, data = of_length(params, steps, every), prepare(params, cells, work)
    frames = frames_in_batch(params, data)
    runs = []
    for seed in range(1, options.models + 1):
        seeded = params.model_copy(update={"seed": seed})
        runs.append(train(seeded, frames, data))
    models, nats, rows = map(list, zip(*runs, strict=True))
    best = min(range(len(rows)), key=lambda i: rows[i]["valid"])
    found = {
        "threads": params.threads,
        "augment": params.augment.model_dump(),
        "training": params.generator.training.model_dump(exclude={"max_steps"}),
        "memory": params.config("memory"),
        "sampler": params.config("samplers"),
        "repeating": params.repeating if params.generator.repeating else None,
        "steps": steps,
        "weights": weights_of(models[best]),
        "chosen": best + 1,
        "models": rows,
    }
    found |= summary(nats, best, "valid")
    measured = {"valid": nats}
    if not options.trial and "test" in cells:
        keep(found)
        measured["test"] = [frame_nats(model, data.songs, "test") for model in models]
        found |= summary(measured["test"], best, "test")
    if collection.parts:
        averaged = {split: average(each) for split, each in measured.items()}
        metre = params.generator.metre
        found |= nats_a_token(collection.parts, averaged, params.seed, metre)
    return found


def machine(device: str) -> dict[str, Any]:
    """Name what a run depends on beside its parameters."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = ""
    if shutil.which("git"):
        commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    instructions = torch.backends.cpu.get_cpu_capability()
    return {
        "commit": commit,
        "torch": torch.__version__,
        "device": name,
        "instructions": instructions,
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a .mat or .json file")
    parser.add_argument("--budget", type=float, default=60.0, help="minutes of all trainings")
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--models", type=int, default=1, help="how many share the budget")
    parser.add_argument("--steps", type=int, help="of each training, in place of a budget")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="parameters"
    )
    parser.add_argument("--trial", action="store_true", help="do not look at the test songs")
    parser.add_argument("--out", type=Path, help=f"a JSON file; {RESULTS}/NAME.json if no trial")
    options = parser.parse_args()
    if options.models < 1 or (options.steps is not None and options.steps < 1):
        parser.error("--models and --steps are 1 at least")
    if not 0 < options.budget < math.inf:
        parser.error("--budget is a number of minutes above 0")
    try:
        torch.zeros(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device {options.device}: {str(error).splitlines()[0]}")
    if not PARAMS.exists():
        parser.error("run this in the project's own folder, where params.yaml is")
    if not options.out and not options.trial:
        options.out = RESULTS / f"{options.data.stem}.json"
    if options.out:
        try:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=options.out.parent).close()
        except OSError as error:
            parser.error(f"--out {options.out}: {error.strerror}")
        if options.out.is_dir():
            parser.error(f"--out {options.out}: a folder; a JSON file is written")
    return options


def main() -> None:
    """Train, print and write the JSON."""
    options = arguments()
    torch.backends.cudnn.allow_tf32 = False
    told = {"data": options.data.name, **machine(options.device)}
    told["budget"] = None if options.steps else options.budget
    out = options.out

    def keep(found: dict[str, Any]) -> None:
        """Write what is known before the test songs, should they need more memory than there is."""
        files.write_json(out.with_suffix(".unfinished.json"), told | found)

    try:
        collection = read_collection(options.data)
        values = choose(options.set, options.device, bool(collection.parts))
        told["sha256"] = hashlib.sha256(options.data.read_bytes()).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            # No checkpoint of another run: what is measured begins at the beginning.
            os.environ["OSTINATO_CACHE"] = folder
            unseen = "test" if options.trial else ""
            looked = {split: each for split, each in collection.cells.items() if split != unseen}
            params = check(values, looked, Path(folder))
            found = run(options, params, collection, Path(folder), keep)
        if out:
            files.write_json(out, told | found)
            out.with_suffix(".unfinished.json").unlink(missing_ok=True)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
