"""Compare all systems: train each with the same budget, then write a table and a plot.

    python bench/systems.py

Each system is an experiment of DVC, ``ostinato run NAME`` with the settings of `BUDGET`, in a copy
of the project; as many run at once as ``--jobs`` says, on one core each. What is done stands in
results/systems.json, so the command goes on where it was when it is run again: only systems that
are missing there, or have other parameters now, are run. (After a change of the code that changes
figures, remove that file; DVC takes from its cache what is still the same.) Then the best five get
two more seeds, and a training step of each is timed in turns with one of the pytorch_baseline.
``--table`` only writes results/systems.md and results/systems.png.
"""

import argparse
import functools
import hashlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from joblib import Parallel, delayed
from matplotlib.figure import Figure

from ostinato import experiments
from ostinato.core import devices, files
from ostinato.core.errors import UserError
from ostinato.experiments import Row, merged
from ostinato.notes.data.fragments import Batches
from ostinato.notes.data.songs import Songs
from ostinato.notes.generator import Generator
from ostinato.scores import plotting

RESULTS = Path("results/systems.json")
BUDGET = [
    "threads=1",
    "decoder.training.max_steps=600",
    "velocity.training.max_steps=600",
    "generator.training.max_steps=600",
    "generator.training.validate_every=100",
    "compose.temperature=0.8",
]
REFERENCE = "pytorch_baseline"
BEST, SEEDS = 5, (2, 3)
TURNS = 5

Record = dict[str, Any]
"""What is known of a run: the hash of its parameters, figures and weights."""

APART = {
    *("audio", "autoencoder", "autoencoders", "transcriber", "score_creator", "score_creators"),
    "improvise",
    *("tokens", "token_model", "token_compose"),
}
"""Sections of params.yaml that have no part in it."""


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only write the table and the plot")
    options = parser.parse_args()
    rows = experiments.read_rows()
    failed = []
    if not options.table:
        failed = run_missing([(row, 1) for row in rows], options.jobs)
        best = sorted(compared(rows, "onset"), key=log_prob, reverse=True)[:BEST]
        failed += run_missing([(row, seed) for row in best for seed in SEEDS], options.jobs)
        time_missing(rows)
    files.write(Path("results/systems.md"), table(rows).encode())
    plotting.save(Path("results/systems.png"), plot(rows))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; run again to try these once more")


def known() -> dict[str, Record]:
    """Read what is done, with parameters as they are now."""
    done = files.read_json(RESULTS) if RESULTS.exists() else {}
    runs = {key(row, seed): (row, seed) for row in experiments.read_rows() for seed in (1, *SEEDS)}
    return {
        name: record
        for name, record in done.items()
        if name in runs and record["params"] == fingerprint(*runs[name])
    }


def key(row: Row, seed: int = 1) -> str:
    """Name a run."""
    return row.name if seed == 1 else f"{row.name}-{seed}"


def run_missing(wanted: list[tuple[Row, int]], jobs: int) -> list[str]:
    """Run the systems that are not done, and name those that failed."""
    done = known()
    missing = [(row, seed) for row, seed in wanted if key(row, seed) not in done]
    watched = ["src", "stages", "systems", "params.yaml", "dvc.yaml"]
    if missing and subprocess.check_output(["git", "status", "--porcelain", "--", *watched]):
        sys.exit(f"commit {', '.join(watched)} first: every run takes what is there")
    runs = Parallel(jobs, prefer="threads", return_as="generator_unordered")(
        delayed(run)(row, seed) for row, seed in missing
    )
    failed = []
    for number, (name, record) in enumerate(runs, 1):
        print(f"{number} of {len(missing)}: {name}", flush=True)
        if record:
            files.write_json(RESULTS, known() | {name: record})
        else:
            failed.append(name)
    return failed


def fingerprint(row: Row, seed: int) -> str:
    """Hash all parameters that a run depends on."""
    params = merged(defaults(), row.params)
    notes = {name: value for name, value in params.items() if name not in APART}
    chosen = params["generator"]
    names = (chosen["memory"], chosen["sampler"], params["decoder"]["kind"])
    for section, name in zip(("memory", "samplers", "decoders"), names, strict=True):
        notes[section] = {name: params[section][name]}
    text = json.dumps([notes, BUDGET, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def defaults() -> dict[str, Any]:
    """Read params.yaml."""
    return yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))


def run(row: Row, seed: int) -> tuple[str, Record | None]:
    """Run a system; None if that fails."""
    name = key(row, seed)
    # One of that name may be left from another definition; there is nothing to remove otherwise.
    subprocess.run(["dvc", "exp", "remove", "--quiet", name], capture_output=True, check=False)
    try:
        experiments.run(row, name, [*BUDGET, f"seed={seed}"])
    except UserError as error:
        print(error, file=sys.stderr)
        return name, None
    weights = sum(
        read(name, f"results/{model}/training.json")["weights"]
        for model in ("generator", "decoder")
    )
    figures = read(name, "results/evaluate.json")
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    about = {"params": fingerprint(row, seed), "commit": commit}
    return name, {**about, "weights": weights, "figures": figures}


def read(name: str, path: str) -> Any:
    """Read a JSON file of the newest experiment of a name."""
    refs = ["git", "for-each-ref", "--sort=-committerdate", "--format=%(objectname)"]
    found = subprocess.check_output([*refs, f"refs/exps/**/{name}"], text=True).split()
    return json.loads(subprocess.check_output(["git", "show", f"{found[0]}:{path}"]))


def time_missing(rows: list[Row]) -> None:
    """Time a training step of each system that was not timed yet, in turns with the reference."""
    torch.set_num_threads(2)
    devices.keep_freed_memory()
    reference = trainer(experiments.find(REFERENCE))
    for row in rows:
        done = known()
        if row.name not in done or "step" in done[row.name] or group(row) not in TIMED:
            continue
        one = trainer(row)
        seconds = [(timed(one), timed(reference)) for _ in range(TURNS + 1)][1:]
        done[row.name]["step"] = statistics.median(mine / other for mine, other in seconds)
        files.write_json(RESULTS, done)


def trains(row: Row) -> bool:
    """Whether a system has a training of its own."""
    return "generator" in row.params


def trainer(row: Row) -> Any:
    """Build a system's generator and give what makes a training step of it."""
    params = merged(defaults(), row.params)
    chosen = params["generator"]
    config = {
        part: {"name": chosen[part], **params[section][chosen[part]]}
        for part, section in (("memory", "memory"), ("sampler", "samplers"))
    }
    repeating = params["repeating"] if chosen["repeating"] else None
    names = {"representation": params["dataset"]["representation"], "repeating": repeating}
    model = Generator(names | {name: chosen[name] for name in ("keys", "metre")} | config)
    songs = Songs(Path("data/dataset"), params["dataset"]["representation"])
    table = np.load("data/fragments/fragments.npy")
    size, steps = chosen["training"]["batch"], params["augment"]["steps"]
    options = size, steps, model.context_length, model.keys, 1, model.sampler.annotate
    batch = Batches(songs, table, *options)(0)
    uniforms = torch.rand(*batch.mask.shape, model.num_uniforms)
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        loss = model(batch, uniforms)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def timed(step: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def group(row: Row) -> str:
    """Say with which systems one can be compared."""
    if not trains(row):
        return "composing"
    if row.params.get("corpus", {}).get("source") == "folksongs":
        return "melodies"
    return merged(defaults(), row.params)["dataset"]["representation"]


def compared(rows: list[Row], which: str) -> list[Row]:
    """Those systems of a group that are done."""
    done = known()
    return [row for row in rows if group(row) == which and row.name in done]


def log_prob(row: Row) -> float:
    """The log-probability of a system's first run."""
    return known()[row.name]["figures"]["prediction"]["log_prob"]


TIMED = ("notes", "onset", "holding")

TITLES = {
    "notes": "Whole notes of chorales",
    "onset": "Onsets of chorales",
    "holding": "Chorales where notes stand as long as they sound",
    "melodies": "Onsets of one-voice folk songs",
    "composing": "Ways of composing, with the system of params.yaml",
}


def table(rows: list[Row]) -> str:
    """Write the tables in Markdown."""
    done = known()
    lines = [introduction()]
    for which, title in TITLES.items():
        chosen = compared(rows, which)
        if not chosen:
            continue
        if which != "composing":
            chosen.sort(key=log_prob, reverse=True)
        lines += ["", f"## {title}", "", header(), "|---" * len(COLUMNS) + "|"]
        lines += [line(row, done) for row in chosen]
        real = done[chosen[0].name]["figures"]["sets"][1]
        cells = ["", "real music", *[""] * 6, *music(real)]
        lines.append(f"| {' | '.join(cells)} |")
    commits = sorted({record["commit"] for record in done.values()})
    lines += ["", f"Code of {', '.join(commits)}."]
    missing = [row.name for row in rows if row.name not in done]
    if missing:
        lines += ["", f"Not done: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


COLUMNS = [
    "row",
    "system",
    "log p",
    "impossible",
    "F1",
    "octaves",
    "weights, k",
    "step",
    "told apart",
    "overlap",
    "four keys",
    "by step",
    "copied",
    "1 bar",
    "2",
    "4",
    "8",
    "repeated",
    "ends",
]


def introduction() -> str:
    """What the columns mean."""
    return "\n".join(
        [
            "# The systems compared",
            "",
            "Written by `python bench/systems.py`. Every system had the same settings "
            f"({', '.join(f'`{setting}`' for setting in BUDGET)}) and as many steps of music in a "
            "batch, but for `true_loss` and those named `tied`, whose generators had a quarter "
            "of them.",
            "",
            "- log p: of the 88 keys of the test songs, nats a step, each song once, given its "
            "true past; ≥ marks a lower bound (log-mean-exp of whole songs). Each system is mixed "
            "with 1e-4 of independent keys. With three seeds: mean ± standard deviation.",
            "- impossible: share of steps that the system cannot draw. F1: one draw of the keys of "
            "a step against what was played. octaves: share of sounding pitch classes all of whose "
            "keys the decoder finds.",
            f"- weights of generator and decoder, in thousands; step: time of a training step of "
            f"the generator, in those of `{REFERENCE}`.",
            "- What it composed: balanced accuracy of a classifier that tells it from the test "
            "songs, mean overlap area of distances, share of steps with four keys, share of the "
            "moves of the highest voice by 2 semitones or less, longest run copied from a training "
            "song in steps, self-similarity at 1, 2, 4 and 8 bars, share of onsets repeated to the "
            "note, share of pieces that end on a chord that ends songs.",
        ]
    )


def header() -> str:
    """The head of a table."""
    return f"| {' | '.join(COLUMNS)} |"


def line(row: Row, done: dict[str, Record]) -> str:
    """A system's line of a table."""
    record = done[row.name]
    found = record["figures"]["prediction"]
    seeds = [done[key(row, seed)] for seed in (1, *SEEDS) if key(row, seed) in done]
    values = [one["figures"]["prediction"]["log_prob"] for one in seeds]
    nats = f"{'' if found['exact'] else '≥ '}{statistics.mean(values):.3f}"
    if len(values) > 1:
        nats += f" ± {statistics.stdev(values):.3f}"
    octaves = found.get("octave_accuracy")
    step = record.get("step")
    cells = [
        row.row,
        f"`{row.name}`",
        nats,
        f"{found['impossible_steps']:.2%}",
        f"{found['f1']:.2f}",
        f"{octaves:.0%}" if octaves is not None else "",
        f"{record['weights'] / 1000:.0f}",
        f"{step:.1f}" if step else "",
        *music(record["figures"]["sets"][0]),
    ]
    return f"| {' | '.join(cells)} |"


def music(figures: dict[str, Any]) -> list[str]:
    """The figures of music."""
    similar, counted = figures["self_similarity"], figures["features"]
    areas = [area for area, _ in figures["overlap"].values()]
    return [
        mean(figures["told_apart"]),
        f"{statistics.mean(areas):.2f}" if areas else "",
        *(f"{counted[name][0]:.2f}" for name in ("four_keys", "top_by_step")),
        str(figures["longest_copy"]["max"]),
        *(mean(similar[lag]) for lag in ("1", "2", "4", "8")),
        mean(figures["repetition"]),
        f"{figures['ends']['like_songs']:.2f}",
    ]


def mean(value: list[float] | None) -> str:
    """Format a mean that stands before its standard deviation, if there is one."""
    return f"{value[0]:.2f}" if value else ""


def plot(rows: list[Row]) -> Figure:
    """Draw log-probability and F1 of the systems on onsets of chorales."""
    chosen = sorted(compared(rows, "onset"), key=log_prob)
    done = known()
    figure = Figure(figsize=(10, 0.28 * len(chosen) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(chosen):
        found = done[row.name]["figures"]["prediction"]
        color = plotting.ACCENT if row.row == "ours" else plotting.INK
        face = color if found["exact"] else "none"
        for seed in (1, *SEEDS):
            if key(row, seed) in done:
                one = done[key(row, seed)]["figures"]["prediction"]
                for axes, name in ((left, "log_prob"), (right, "f1")):
                    axes.plot(one[name], place, "o", color=color, markerfacecolor=face)
    left.set_yticks(range(len(chosen)), [f"{row.name}  {row.row}" for row in chosen], fontsize=8)
    left.set_xlabel("log-probability, nats a step (open: a lower bound)")
    right.set_xlabel("F1 of the next step")
    for axes in (left, right):
        axes.grid(color=plotting.RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
