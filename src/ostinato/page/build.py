"""Writing the page: a folder with index.html, which needs no server, no network and no building."""

import json
from collections.abc import Sequence
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from ostinato.core import files
from ostinato.page.blind import windows
from ostinato.page.figures import changes, figures
from ostinato.page.run import Run
from ostinato.page.shelves import shelves
from ostinato.page.systems import systems

EMPTY: dict[str, Any] = {
    "runs": [],
    "notes": [],
    "shelves": [],
    "blind": [],
    "changes": [],
    "systems": None,
    "reload": 0,
    "stamp": 0,
}


def write_page(out: Path, runs: Sequence[Run], notes: Sequence[str] = ()) -> None:
    """Write the page of one run, or of several side by side.

    Parameters
    ----------
    out : Path
        A folder.
    runs : sequence of Run
        At least one. What it has not made is left out.
    notes : sequence of str
        Lines at the top.
    """
    shown = shelves(out, runs)
    names = [run.name for run in runs]
    write_data(
        out,
        title="Ostinato" if len(runs) == 1 else f"Ostinato: {' · '.join(names)}",
        runs=names,
        notes=list(notes),
        shelves=shown,
        blind=windows(shown),
        changes=changes(runs) if len(runs) > 1 else [],
        figures=figures(out, runs),
        systems=systems(runs[0], shown),
    )


def write_data(out: Path, **data: Any) -> None:
    """Write the page's own files, and what is on it.

    Parameters
    ----------
    out : Path
        A folder.
    **data
        What data.js has, ``title`` and ``figures`` at least; other parts are empty by default.
    """
    whole = EMPTY | data
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for asset in resources("ostinato.page").joinpath("assets").iterdir():
        files.write(out / asset.name, asset.read_bytes())
    # What is written last says that there is something new.
    files.write(out / "data.js", f'"use strict";\nconst DATA = {text};\n'.encode())
    files.write(out / "stamp.js", f"stamped({whole['stamp']});\n".encode())
