"""The systems compared, as the page lists them."""

from collections.abc import Sequence
from typing import Any

import yaml

from ostinato.page.run import Run

Json = dict[str, Any]

ABOUT = (
    "All systems, trained alike, on the same songs: bench/systems.py compares them, and "
    "results/systems.md says how. Click a heading to sort."
)

COLUMNS = [
    {"name": "system", "about": "its name, for `ostinato run`", "better": "low"},
    {"name": "row", "about": "its place in the notebooks", "better": "low"},
    {"name": "log p", "about": "of the 88 keys of test songs, nats a step", "better": "high"},
    {"name": "exact", "about": "no: log p is a lower bound", "better": "high"},
    {"name": "F1", "about": "of one draw against what was played", "better": "high"},
    {"name": "weights, k", "about": "of generator and decoder", "better": "low"},
    {"name": "step", "about": "time of a training step, beside A18's", "better": "low"},
    {"name": "repeated", "about": "share of onsets repeated exactly", "better": "high"},
    {"name": "copied", "about": "longest run copied from a song, steps", "better": "low"},
]


def systems(run: Run, shelves: Sequence[Json]) -> Json | None:
    """List the systems that results/systems.json compares.

    Parameters
    ----------
    run : Run
    shelves : sequence of dict
        From `ostinato.page.shelves.shelves`. Of runs that have the name of a system, the first
        piece can be heard.

    Returns
    -------
    dict or None
        In the form that the page's data.js has; None if there is no such file.
    """
    report = run.json("results/systems.json")
    if not report:
        return None
    pieces = next((shelf["items"][0]["versions"] for shelf in shelves), [])
    heard = {
        name: {key: each[key] for key in ("audio", "seconds")}
        for each in pieces
        for name in each["name"].split(" = ")
    }
    rows = []
    for name, found in report.items():
        # Runs with other seeds have a number after the name.
        names = name, name.rpartition("-")[0]
        files = (run.path(f"systems/{each}.yaml") for each in names)
        path = next((path for path in files if path.is_file()), None)
        row = yaml.safe_load(path.read_text(encoding="utf-8"))["row"] if path else ""
        prediction = found["figures"]["prediction"]
        composed = found["figures"].get("compositions", {})
        copied = composed.get("longest_copy", {}).get("max")
        values = [
            name,
            row,
            prediction.get("log_prob"),
            "yes" if prediction.get("exact") else "no",
            prediction.get("f1"),
            round(found["weights"] / 1000) if "weights" in found else None,
            found.get("step"),
            composed.get("repetition"),
            copied,
        ]
        rows.append({"values": values, **heard.get(name, {})})
    return {"about": ABOUT, "columns": COLUMNS, "sorted": 2, "rows": rows}
