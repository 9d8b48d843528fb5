"""Writing files so that they are either whole or not there."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, then rename it.

    Parameters
    ----------
    path : Path
        Where the file shall stand; missing folders are made.
    data : bytes
        Its whole content.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with two spaces of indentation, keys in the order given."""
    write(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(
    path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]], delimiter: str = ","
) -> None:
    """Write rows as a CSV (or, with a tab as delimiter, TSV) file with a header line.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        The columns, in order; every row has exactly these.
    rows : iterable of mapping
        The rows.
    delimiter : str
        ``","`` or a tab.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue().encode())


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with a header line.

    Parameters
    ----------
    path : Path
        A file that `write_table` wrote.

    Returns
    -------
    list of dict
        A row each, column name to text.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array as ``.npy``, the same bytes for the same array."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    write(path, data.getvalue())
