"""Memory needed to learn from a text of a gigabyte.

    python bench/token_memory.py [--megabytes 1000]

Makes a text of random words in a temporary folder and trains on it as params.yaml says. The words
use 400 letters, so that a class takes two bytes. Prints the highest resident memory of the stages
tokens, token_model and token_compose, and fails if one of them needs 2 GB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
WORDS = 5000
LIMIT = 2000
"""Megabytes."""


def main() -> None:
    """Make the text, run the stages, and print their memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_text(folder / "text" / "text.txt", options.megabytes)
        print(f"text: {size / 1e6:.0f} MB")
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["tokens"]["letters"] |= {"source": "folder", "folder": "text"}
        (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for stage in ("tokens", "token_model", "token_compose"):
            needed = peak(folder, stage)
            print(f"{stage}: {needed:.0f} MB of memory", flush=True)
            if needed >= LIMIT:
                sys.exit(f"{stage} needs more than {LIMIT} MB")


def write_text(path: Path, megabytes: int) -> int:
    """Write a file of random words, and give its size in bytes."""
    rng = np.random.default_rng(1)
    letters = list(map(chr, range(0x3B1, 0x3B1 + 400)))
    words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(WORDS)]
    path.parent.mkdir()
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(" ".join(words[i] for i in rng.integers(WORDS, size=100_000)) + "\n")
    return path.stat().st_size


def peak(folder: Path, stage: str) -> float:
    """Run a stage for letters in a folder, and give its highest resident memory in megabytes."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "OSTINATO_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, str(ROOT / "stages" / f"{stage}.py"), "letters"]
    process = subprocess.Popen(command, cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{stage} failed")
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
