"""Speed of a device: training A18, training the default generator, and composing an hour of music.

    python bench/device_speed.py
    python bench/device_speed.py --device cpu --batches 8 --turns 1

A18 (140 x 256) is trained in its fast form on the device and on two cores, and in its slow form,
which is plain PyTorch, on both; a ratio is the median over the turns. The default generator is
trained at growing batches, until the memory of the device is full, and its frames a second are
printed. Composing is the hour of bench/compose_speed.py, of the default system and of A18, on the
device and on the CPU. Weights are random, which takes as long as with trained ones, and music, too.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch
from compose_speed import hour_of
from reference_a18 import CONFIG, SlowGenerator, random_batch
from torch import nn

from ostinato.core import devices
from ostinato.core.params import read_params
from ostinato.core.schema import Device
from ostinato.notes.fit.generator import config_of
from ostinato.notes.generator import Generator

BATCH, STEPS = 140, 256
WARM_UP = 2


def timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds that a call takes, until the device has done all of it."""
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def training_step(model: nn.Module, arguments: tuple, weights: nn.Module) -> Callable[[], None]:
    """Make a function that trains a model by one step."""
    optimizer = torch.optim.Adam(weights.parameters(), 0.001)

    def step() -> None:
        loss = model(*arguments)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def a18(device: torch.device, turns: int) -> None:
    """Train A18 in both forms on both devices in turns, and print seconds and ratios."""
    steps: dict[tuple[str, str], tuple[Callable[[], None], torch.device]] = {}
    for place in dict.fromkeys((device, torch.device("cpu"))):
        for form in ("fast", "slow"):
            torch.manual_seed(0)
            fast = Generator(CONFIG).to(place)
            batch, uniforms = random_batch(BATCH, STEPS, fast)
            arguments = batch.to(place), uniforms.to(place)
            model = SlowGenerator(fast) if form == "slow" else fast
            steps[form, place.type] = training_step(model, arguments, fast), place
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    # The slow form sums floats in an order that CUDA does not keep.
    torch.set_deterministic_debug_mode("default")
    for turn in range(WARM_UP + turns):
        for key, (step, place) in steps.items():
            taken = timed(step, place)
            if turn >= WARM_UP:
                seconds[key].append(taken)
    torch.set_deterministic_debug_mode("error")
    ours = seconds["fast", device.type]
    print(f"\nA18, a training step of {BATCH} x {STEPS}:\n")
    print("| form | device | seconds | fast on the device is faster by |\n|---|---|---|---|")
    for (form, where), taken in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(taken, ours, strict=True))
        print(f"| {form} | {where} | {statistics.median(taken):.3f} | {ratio:.1f} |", flush=True)


def default(device: torch.device, batches: list[int], turns: int) -> None:
    """Train the default generator at growing batches, and print frames a second."""
    params = read_params(Path("params.yaml"))
    length = params.augment.steps
    print(f"\nThe default generator, fragments of {length} steps:\n")
    print("| batch | seconds a step | frames a second | memory, GB |\n|---|---|---|---|")
    for size in batches:
        model = Generator(config_of(params, 4)).to(device).train()
        batch, uniforms = random_batch(size, length, model)
        arguments = batch.to(device), uniforms.to(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        step = training_step(model, arguments, model)
        try:
            seconds = [timed(step, device) for _ in range(WARM_UP + turns)][WARM_UP:]
        except torch.OutOfMemoryError:
            print(f"| {size} | more memory than there is | | |")
            return
        taken = statistics.median(seconds)
        memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0
        used = f"{memory:.1f}" if memory else ""
        print(f"| {size} | {taken:.3f} | {size * length / taken:,.0f} | {used} |", flush=True)


def composing(device: torch.device, turns: int) -> None:
    """Compose an hour of music on both devices in turns, and print seconds and ratios."""
    print("\nComposing an hour, 120 pieces at once:\n")
    print("| system | device | seconds | the device is faster by |\n|---|---|---|---|")
    for name in ("default", "A18"):
        places = list(dict.fromkeys((device, torch.device("cpu"))))
        hours = {place: hour_of(name, place) for place in places}
        seconds: dict[torch.device, list[float]] = {place: [] for place in places}
        for turn in range(1 + turns):
            for place, hour in hours.items():
                taken = timed(hour, place)
                if turn:
                    seconds[place].append(taken)
        for place, taken in seconds.items():
            ratios = (a / b for a, b in zip(taken, seconds[device], strict=True))
            cells = f"{statistics.median(taken):.1f} | {statistics.median(ratios):.1f}"
            print(f"| {name} | {place.type} | {cells} |", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=get_args(Device), default="auto")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[2**n for n in range(3, 12)])
    parser.add_argument("--what", nargs="+", choices=["a18", "default", "composing"], default=[])
    options = parser.parse_args()
    device = devices.prepare(options.threads, 0, options.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    print(f"{name}, beside {options.threads} threads of the CPU; PyTorch {torch.__version__}")
    what = options.what or ["a18", "default", "composing"]
    if "a18" in what:
        a18(device, options.turns)
    if "default" in what:
        default(device, options.batches, options.turns)
    if "composing" in what:
        composing(device, options.turns)


if __name__ == "__main__":
    main()
