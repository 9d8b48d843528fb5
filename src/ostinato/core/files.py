"""Reading files, and writing them atomically: a file is either complete or not there."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ostinato.core.errors import UserError

csv.field_size_limit(2**31 - 1)  # a table may have a song of many bars


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
    with writing(path) as file:
        file.write(data)


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
    with writing_table(path, columns, delimiter) as add:
        for row in rows:
            add(row)


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
    return list(rows(path))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array as ``.npy``; the same array gives the same bytes."""
    with writing(path) as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file bit by bit, and as atomically as `write`.

    Parameters
    ----------
    path : Path
        The file to write. Missing folders are created.

    Yields
    ------
    BinaryIO
        The temporary file, open for writing. It is renamed at the end; after an error, it is
        removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        # The system names no file when the disk is full.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_table(
    path: Path, columns: list[str], delimiter: str = ","
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write a table row by row; for the parameters see `write_table`.

    Yields
    ------
    callable
        Writes the next row, which must have exactly these keys.
    """
    with writing(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        table = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\n")
        table.writeheader()

        def add(row: Mapping[str, Any]) -> None:
            table.writerow(row)

        yield add


@contextmanager
def writing_array(
    path: Path, dtype: np.dtype, shape: tuple[int, ...] = ()
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a NumPy array part by part, with the bytes that `write_array` writes.

    Parameters
    ----------
    path : Path
        The file, ``.npy``.
    dtype : dtype
        That of the array.
    shape : tuple of int
        That of its rows.

    Yields
    ------
    callable
        Writes the next rows, an array of any shape [rows, *shape].
    """
    head = np.lib.format.header_data_from_array_1_0(np.empty((0, *shape), dtype))
    rows = 0
    with writing(path) as file:

        def add(part: np.ndarray) -> None:
            nonlocal rows
            if part.dtype != dtype or part.shape[1:] != shape:
                raise ValueError(f"{path}: {part.dtype} {part.shape}, not {dtype} [any, *{shape}]")
            file.write(part.tobytes())
            rows += len(part)

        np.lib.format.write_array_header_1_0(file, head)
        yield add
        # NumPy leaves room in the header for a number of any length, so it can be written again.
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, head | {"shape": (rows, *shape)})


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Read a CSV file row by row; otherwise like `read_table`."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
