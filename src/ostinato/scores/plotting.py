"""What all figures share: their colours, and how they are saved."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ostinato.core import files

matplotlib.use("agg")

INK, ACCENT, PALE, RULE = "#22303c", "#c8553d", "#9fb1bc", "#dfe4e8"


def save(path: Path, figure: Figure) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    files.write(path, data.getvalue())
