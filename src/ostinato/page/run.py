"""A run of the pipeline, as the page reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ostinato.core import files


@dataclass(frozen=True)
class Run:
    """What a run left: the project's files as they were at one time.

    Attributes
    ----------
    name : str
        What people call it.
    folder : Path
        A folder like the project's, with params.yaml; what the run has not made is missing in it.
    """

    name: str
    folder: Path

    def path(self, name: str) -> Path:
        """Where one of its files or folders is, or would be."""
        return self.folder / name

    def json(self, name: str) -> Any:
        """Read a JSON file; None if there is none."""
        path = self.path(name)
        return files.read_json(path) if path.is_file() else None

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Read a CSV file row by row; no rows if there is none."""
        path = self.path(name)
        if path.is_file():
            yield from files.rows(path)

    def params(self) -> dict[str, Any]:
        """Read params.yaml, as names with dots and values."""
        values = yaml.safe_load(self.path("params.yaml").read_text(encoding="utf-8"))
        return dict(_flat(values))


def _flat(values: dict[str, Any], section: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{section}{name}.")
        else:
            found.append((f"{section}{name}", value))
    return found
