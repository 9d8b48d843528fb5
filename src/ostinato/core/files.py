"""Reading files, and writing them atomically: a file is either complete or not there."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.errors import UserError


def write(path: Path, data: bytes) -> None:
    """Write a file atomically: under a temporary name in the same folder, then rename it.

    Parameters
    ----------
    path : Path
        The file to write. Missing folders are created.
    data : bytes
        Its whole content.

    Raises
    ------
    OSError
        When the disk is full or the folder is not writable; it names the file. Nothing is left
        behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        # The system names no file when the disk is full.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, indented by two spaces, with keys in the given order."""
    write(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_metrics(path: Path, values: Any) -> None:
    """Write metrics as JSON, rounded so that small numerical differences do not change the file."""
    write_json(path, rounded(values))


def rounded(value: Any) -> Any:
    """Round all floats in nested lists and dicts to four significant digits."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    UserError
        When it is damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is no JSON") from error


def write_table(
    path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]], delimiter: str = ","
) -> None:
    """Write rows as a CSV (or, with a tab as delimiter, TSV) file with a header line.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        The columns, in order. Every row must have exactly these keys.
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
        A file with commas that `write_table` wrote.

    Returns
    -------
    list of dict
        One for each row, from column name to text.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array as ``.npy``; the same array gives the same bytes."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    write(path, data.getvalue())
