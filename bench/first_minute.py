"""What a newcomer waits for, and how much disk it takes: `make music` on a fresh clone.

    python bench/first_minute.py

Prints seconds from the beginning of `make music` to the end of the installation, and from there to
the first pieces and to the page; seconds of each stage; and megabytes of the environment and of all
else. Nothing that this project has cached elsewhere is used, but pip's own cache is.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALLED, DONE = "dvc pull", "To see and to hear"
HEARD = "To hear already, a tune", "To hear already, a chorale"
STAGE = re.compile("Running stage '(.*)':")


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as work:
        clone = Path(work) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        moments = listen(clone, Path(work) / "cache")
        sizes = {
            "environment": megabytes(clone / ".venv"),
            "else": megabytes(clone) - megabytes(clone / ".venv"),
        }
    installed = moments[INSTALLED]
    print("\n| | s |\n|---|---|")
    print(f"| installation | {installed:.0f} |")
    for name in (*HEARD, DONE):
        print(f"| {name}, after it | {moments[name] - installed:.0f} |")
    print("\n| stage | s |\n|---|---|")
    names = list(moments)
    for name, following in pairwise(names):
        if name not in (INSTALLED, *HEARD, DONE):
            print(f"| `{name}` | {moments[following] - moments[name]:.0f} |")
    print("\n| disk | MB |\n|---|---|")
    for name, size in sizes.items():
        print(f"| {name} | {size:.0f} |")


def listen(clone: Path, cache: Path) -> dict[str, float]:
    """Run `make music`, and note after how many seconds it says what."""
    removed = "VIRTUAL_ENV", "PYTHONPATH", "DISPLAY", "WAYLAND_DISPLAY"
    env = {name: value for name, value in os.environ.items() if name not in removed}
    env |= {"OSTINATO_CACHE": str(cache)}
    moments: dict[str, float] = {}
    start = time.monotonic()
    process = subprocess.Popen(
        ["make", "music"],
        cwd=clone,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        stage = STAGE.match(line)
        said = (each for each in (INSTALLED, *HEARD, DONE) if line.startswith(each))
        name = stage[1] if stage else next(said, None)
        if name:
            moments.setdefault(name, time.monotonic() - start)
            print(f"{moments[name]:6.0f} s  {name}", file=sys.stderr)
    if process.wait():
        sys.exit("`make music` failed")
    return moments


def megabytes(folder: Path) -> float:
    """The disk space of a folder; a file that is linked twice counts once."""
    found = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0]) / 1024


if __name__ == "__main__":
    main()
