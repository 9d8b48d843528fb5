"""How long improvisations take on one core, and how much memory; a part of bench/audio.py."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from ostinato.scores.wav import write_wav
from ostinato.sound.compose.improvise import SEED_SAMPLES
from ostinato.sound.data.sound import Sounds

LENGTHS = (1, 60, 600)
"""Seconds that are improvised; the first shows what starting takes."""


def speed_table(sounds: Sounds) -> None:
    """Print how fast `ostinato improvise` goes on with a held-out piece."""
    print("\n| seconds improvised | seconds taken | first sound after | peak memory, MB |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        song, out = Path(folder) / "song.wav", Path(folder) / "out.wav"
        write_wav(song, sounds.piece(sounds.of("test")[0], 0, SEED_SAMPLES).T)
        for seconds in LENGTHS:
            taken, first, memory = _run(song, out, seconds)
            print(f"| {seconds} | {taken:.1f} | {first:.1f} | {memory:.0f} |", flush=True)


def _run(song: Path, out: Path, seconds: int) -> tuple[float, float, float]:
    """Run the command on one core: seconds, seconds to the first new sound, and megabytes."""
    run = "from ostinato.cli import main; main()"
    arguments = ["-c", run, "improvise", str(song), "-o", str(out)]
    begin, first = time.perf_counter(), None
    process = subprocess.Popen(
        [sys.executable, *arguments, "--seconds", str(seconds)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    psutil.Process(process.pid).cpu_affinity([os.cpu_count() - 1])
    given = 4 * SEED_SAMPLES
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        growing = [path.stat().st_size for path in out.parent.glob(".out.wav*")]
        if first is None and (done or max(growing, default=0) > given):
            first = time.perf_counter() - begin
        if done:
            break
        time.sleep(0.05)
    if status:
        raise SystemExit(f"ostinato improvise ended with {status}")
    return time.perf_counter() - begin, first, usage.ru_maxrss / 1024
