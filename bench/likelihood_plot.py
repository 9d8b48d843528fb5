"""Draw the likelihood against time, with what papers report: results/likelihood.png.

    python bench/likelihood_plot.py

Reads what bench/likelihood.py wrote into results/likelihood. A curve is the validation songs' NLL
while the chosen model trains; a dot is that of the test songs, at the time of the weights that the
validation songs chose, and a ring that of the average of several models, after all trainings. Lines
are the test songs' NLL in papers, from memory, the best of several like it, in some of which it is
a bound or an estimate.
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from published import FRAMES

from ostinato.core import files
from ostinato.scores import plotting

RESULTS = Path("results/likelihood")


def draw(axes: Axes, name: str, run: dict[str, Any]) -> None:
    """Draw one collection."""
    for label, nats in FRAMES.get(name, {}).items():
        axes.axhline(nats, color=plotting.PALE, linewidth=1, zorder=0)
        place = {"xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(label, (1.01, nats), size=8, **place)
    history = run["models"][run["chosen"] - 1]["history"]
    minutes = [row["minutes"] for row in history]
    axes.plot(minutes, [row["valid"] for row in history], color=plotting.INK, label="validation")
    best = min(history, key=lambda row: row["valid"])["minutes"]
    axes.plot(best, run["test"], "o", color=plotting.ACCENT, label=f"test: {run['test']:.2f}")
    if "test_average" in run:
        axes.plot(
            sum(model["history"][-1]["minutes"] for model in run["models"]),
            run["test_average"],
            "o",
            color=plotting.ACCENT,
            markerfacecolor="white",
            label=f"test, average of {len(run['models'])}: {run['test_average']:.2f}",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    device = f"{run['threads']} cores" if run["device"] == "cpu" else run["device"]
    axes.set_xlabel(f"minutes of training on {device}")
    axes.set_title(name.replace("_", " "), loc="left", fontsize=10, pad=20)
    axes.spines[["top", "right"]].set_visible(False)
    above = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1), "ncols": 3, "borderaxespad": 0}
    axes.legend(**above, columnspacing=1, handlelength=1.5, frameon=False, fontsize=8)


def main() -> None:
    """Draw a panel for each collection that was run."""
    runs = {path.stem: files.read_json(path) for path in sorted(RESULTS.glob("*.json"))}
    runs = {name: run for name, run in runs.items() if "test" in run and "tokens" not in run}
    if not runs:
        sys.exit(f"{RESULTS}: nothing there; run bench/likelihood.py first")
    figure = Figure(figsize=(6 * len(runs), 5), layout="constrained")
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, (name, run) in zip(panels, runs.items(), strict=True):
        draw(axes, name, run)
    panels[0].set_ylabel("negative log-likelihood, nats a frame")
    plotting.save(RESULTS.with_suffix(".png"), figure)


if __name__ == "__main__":
    main()
