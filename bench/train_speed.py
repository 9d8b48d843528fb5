"""Training speed of A18 at 140 x 256: sequences at once against step by step.

    python bench/train_speed.py

Each form trains in a process of its own, as each would be run: the fast one as
`ostinato.core.training` runs it, the slow one as plain PyTorch does. They take turns, a step each,
so that whatever else the machine is doing touches both; the ratio is the median over the turns. The
fast form is also measured in bfloat16, where the processor has instructions for it, and the slow
one with the same setting of the memory allocator as the fast.
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch
from reference_a18 import CONFIG, SlowGenerator, random_batch

from ostinato.core import devices
from ostinato.notes.generator import Generator

BATCH, STEPS = 140, 256
FORMS = ["fast", "slow", "slow, freed memory kept"]
if devices.computes_bfloat16("cpu", "auto"):
    FORMS.insert(1, "bfloat16")


def worker(form: str, threads: int) -> None:
    """Make a training step each time a line comes in, and say how many seconds it took."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if form != "slow":
        devices.keep_freed_memory()
    fast = Generator(CONFIG)
    model = SlowGenerator(fast) if form.startswith("slow") else fast
    optimizer = torch.optim.Adam(fast.parameters(), 0.01)
    arguments = random_batch(BATCH, STEPS, fast)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=form == "bfloat16"):
            loss = model(*arguments)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(time.perf_counter() - start, flush=True)


def main() -> None:
    """Let the forms take turns and print their medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=FORMS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.threads)
        return
    command = [sys.executable, __file__, "--threads", str(options.threads), "--worker"]
    workers = {
        form: subprocess.Popen(
            [*command, form], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for form in FORMS
    }
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for turn in range(options.warmup + options.turns):
        for form, process in workers.items():
            process.stdin.write("step\n")
            taken = float(process.stdout.readline())
            if turn >= options.warmup:
                seconds[form].append(taken)
    for process in workers.values():
        process.stdin.close()
        process.wait()

    def ratio(slow: str, fast: str) -> float:
        pairs = zip(seconds[slow], seconds[fast], strict=True)
        return statistics.median(one / other for one, other in pairs)

    for form, taken in seconds.items():
        print(f"{form}: {statistics.median(taken):.3f} s a step of {BATCH} x {STEPS}")
    if "bfloat16" in FORMS:
        print(f"bfloat16 against float32: {ratio('fast', 'bfloat16'):.2f}")
    print(f"with the allocator's setting in both: {ratio('slow, freed memory kept', 'fast'):.2f}")
    print(f"ratio: {ratio('slow', 'fast'):.2f}")


if __name__ == "__main__":
    main()
