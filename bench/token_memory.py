"""Memory of learning a text of a gigabyte.

    python bench/token_memory.py [--megabytes 1000]

Makes a text of random words in a temporary folder and runs the stages tokens and token_model on it,
with the sizes of params.yaml and a few training steps. Prints the highest resident memory of each.
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


def main() -> None:
    """Make the text, run both stages, print memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_text(folder / "text" / "text.txt", options.megabytes)
        print(f"text: {size / 1e6:.0f} MB")
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["tokens"]["letters"] |= {"source": "folder", "folder": "text"}
        training = params["token_model"]["letters"]["training"]
        training |= {"max_steps": 20, "validate_every": 20}
        (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for stage in ("tokens", "token_model"):
            print(f"{stage}: {peak(folder, stage):.0f} MB of memory", flush=True)


def write_text(path: Path, megabytes: int) -> int:
    """Write random words, some megabytes of them, and give the size in bytes."""
    rng = np.random.default_rng(1)
    letters = list("abcdefghijklmnopqrstuvwxyzäöü")
    words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(WORDS)]
    path.parent.mkdir()
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(" ".join(words[i] for i in rng.integers(WORDS, size=100_000)) + "\n")
    return path.stat().st_size


def peak(folder: Path, stage: str) -> float:
    """Run a stage of letters in a folder; its highest resident memory in megabytes."""
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
