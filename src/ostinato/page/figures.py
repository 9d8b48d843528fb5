"""The figures of runs: what is counted in music, the metrics of models, and their trainings."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ostinato.core import files
from ostinato.page.run import Run

Json = dict[str, Any]

SETS = {
    "compositions": "compositions",
    "validation_songs": "validation songs",
    "test_songs": "test songs",
}
"""What evaluate.json calls its sets of music, and what people do."""

COUNTED = {
    "four_keys": "four keys sound, share of steps",
    "fewer_than_three": "fewer than three sound",
    "note_length": "length of a note, steps",
    "struck": "steps with an onset",
    "dissonance": "dissonance",
    "top_by_step": "top voice moves by step",
    "top_leaps": "top voice leaps",
    "parallels": "parallel fifths and octaves",
    "scale_consistency": "notes in one scale",
    "groove_consistency": "rhythms of bars alike",
}
"""Features of windows of 8 bars; see `ostinato.notes.report.features`."""

METRICS = {
    "Writing keys": ("results/evaluate.json", ("prediction", "music")),
    "Writing tokens": ("results/token_model/metrics.json", ("events", "chords", "letters")),
    "Coding sound": ("results/autoencoder/metrics.json", None),
    "Finding notes in sound": ("results/transcriber/metrics.json", None),
    "Going on with sound": ("results/score_creator/metrics.json", None),
    "The improvisation": ("results/improvise/figures.json", ("level_change", "spectral_distance")),
}
"""Title of a table; its file, and which sections of it are shown."""

TRAININGS = {
    "generator": "nats a step",
    "decoder": "nats",
    "autoencoder": "loss in dB",
    "transcriber": "nats a frame",
    "score_creator": "loss",
    "token_model/events": "bits a token",
    "token_model/chords": "bits a token",
    "token_model/letters": "bits a token",
}
"""Folders in results that have a curve, and its unit."""

LEFT_OUT = {"temperatures", "learned", "tested", "order", "windows", "seconds"}
"""Numbers whose names have such a word say little by themselves."""

PLOTS = {
    "results/evaluate/histograms.png": "What is counted in compositions and in songs",
    "results/evaluate/self_similarity.png": "How alike bars are that are so many bars apart",
    "results/evaluate/reading.png": "Where the memory reads",
    "results/token_evaluate/events.png": "What temperature does to events",
    "results/token_evaluate/chords.png": "What temperature does to chords",
    "results/token_evaluate/letters.png": "What temperature does to letters",
}


def figures(out: Path, runs: Sequence[Run]) -> Json:
    """Collect the figures of runs, and write the plots of the first.

    Parameters
    ----------
    out : Path
        The folder of the page.
    runs : sequence of Run

    Returns
    -------
    dict
        ``counted``, ``numbers``, ``curves`` and ``plots``, in the form that the page's data.js has.
    """
    return {
        "counted": [found for run in runs if (found := _counted(run, len(runs) > 1))],
        "numbers": [found for title in METRICS if (found := _numbers(runs, title))["rows"]],
        "curves": [found for name in TRAININGS if (found := _curve(runs, name))["lines"]],
        "plots": [_plot(out, runs[0].path(name), PLOTS[name]) for name in PLOTS
                  if runs[0].path(name).is_file()],
    }  # fmt: skip


def changes(runs: Sequence[Run]) -> list[list[Any]]:
    """List the parameters that differ between runs: their names, and the value of each run."""
    params = [run.params() for run in runs]
    names = dict.fromkeys(name for each in params for name in each)
    rows = ([name, *(each.get(name) for each in params)] for name in names)
    return [row for row in rows if any(value != row[1] for value in row[1:])]


def _counted(run: Run, several: bool) -> Json | None:
    report = run.json("results/evaluate.json")
    if not report or "sets" not in report:
        return None
    sets = {each["name"]: each for each in report["sets"]}
    known = [name for name in SETS if {"features", "self_similarity"} <= set(sets.get(name, {}))]
    if not known:
        return None
    features = [sets[name]["features"] for name in known]
    rows = [
        {"name": what, "values": [each.get(name) for each in features]}
        for name, what in COUNTED.items()
    ]
    rows += [
        {
            "name": f"alike after {lag} bar{'s' if int(lag) > 1 else ''}",
            "values": [sets[name]["self_similarity"].get(lag) for name in known],
        }
        for lag in sets[known[0]]["self_similarity"]
    ]
    rows = [row for row in rows if all(row["values"])]
    title = "What is counted, mean and standard deviation" + (f": {run.name}" if several else "")
    return {"title": title, "sets": [SETS[name] for name in known], "rows": rows} if rows else None


def _numbers(runs: Sequence[Run], title: str) -> Json:
    name, sections = METRICS[title]
    found = []
    for run in runs:
        report = run.json(name) or {}
        chosen = report if sections is None else {s: report[s] for s in sections if s in report}
        found.append(_leaves(chosen))
    names = dict.fromkeys(
        key for each in found for key in each if not LEFT_OUT & set(key.replace(",", "").split())
    )
    rows = [{"name": key, "values": [each.get(key) for each in found]} for key in names]
    return {"title": title, "rows": rows}


def _leaves(value: Any, prefix: str = "") -> Json:
    """Numbers of nested dicts, by the names of the sections that they are in."""
    if isinstance(value, dict):
        found: Json = {}
        for name, one in value.items():
            found |= _leaves(one, f"{prefix}, {name}" if prefix else name)
        return found
    return {prefix.replace("_", " "): value} if isinstance(value, int | float | None) else {}


def _curve(runs: Sequence[Run], name: str) -> Json:
    lines, named = [], []
    for run in runs:
        path = run.path(f"results/{name}/curves.tsv")
        points = curve(path) if path.is_file() else []
        if points:
            lines.append({"points": points})
            named.append(run.name)
    title = name.replace("_", " ").replace("/", ", ").capitalize()
    return {"title": title, "unit": TRAININGS[name], "lines": lines, "runs": named}


def curve(path: Path) -> list[list[float | None]]:
    """Read curves.tsv: step, what is learned, and validation, of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    names = "step", "train", "valid"
    return [[float(row[name]) if row.get(name) else None for name in names] for row in rows]


def _plot(out: Path, path: Path, title: str) -> Json:
    data = path.read_bytes()
    picture = f"pictures/{hashlib.sha256(data).hexdigest()[:16]}.png"
    files.write(out / picture, data)
    return {"picture": picture, "title": title, "alt": f"Plot: {title.lower()}"}
