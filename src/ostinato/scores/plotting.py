"""What all figures share: their colours, and how they are saved."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ostinato.core import files

matplotlib.use("agg")

INK, ACCENT, PALE, RULE = "#22303c", "#c8553d", "#9fb1bc", "#dfe4e8"

TRACKS = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#22303c", "#8c6bb1"
"""Colours of tracks, told apart by people who are colour-blind, too (Okabe and Ito, 2008)."""


def save(path: Path, figure: Figure) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    files.write(path, data.getvalue())
