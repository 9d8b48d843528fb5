"""HistoryUser on its own: copying by an LSTM that chooses how far back to read.

    python bench/history_user.py [B1 B2 B3 B4 B5]

Two reading LSTMs of 70 and 50 see 13 random bits a step and weigh the last 80 inputs, the current
one excluded, by a softmax. B1 copies the input of 64 steps ago, B2 rotates it by one position,
B3 also chooses the lag by how many of the current bits are 1, B4 learns B1 by evolution, B5
measures the memory of `recall`. The loss is its author's: the sum over the steps from 64 on of the
mean square over batch and bits (always saying one half costs 32), here on fresh batches after
training.

B3 has two figures, the author's configuration and one that solves it. In his notebook the reader
learns the lags of 4 to 9 ones; the rare numbers it reads at wrong lags, so surely that the softmax
passes hardly any gradient on.
What brings it below 0.1: first weights with which the reader tells 3 ones from 4 (see `count`), a
bound of 5 on the logits, and a larger, falling rate with clipped gradients. The trials are in
bench/history_user.md.
"""

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ostinato.core import devices
from ostinato.core.progress import progress
from ostinato.notes.memory.history_user import recall

BITS, BATCH, STEPS, LAGS, FIRST = 13, 128, 192, 80, 64
"""Bits a step, sequences, their steps, lags that can be read, the first step that counts."""

LAG_OF_COUNT = torch.tensor([1, 2, 4, 8, 12, 16, 24, 28, 32, 36, 40, 48, 56, 64])
"""Steps back for each number of ones, B3."""

SEEDS = (0, 1, 2)
"""Of first weights, for the readers with a final LSTM."""

POPULATION, NOISE, GENERATIONS, JUDGED = 200, 0.1, 70, 16
"""Evolution, B4; a generation is judged by 16 sequences in place of 128."""

ROWS = ["B1", "B2", "B3", "B4", "B5"]
FORMS = ["recall", "copy"]
MEASURED = [(lags, steps) for steps in (192, 768, 3072) for lags in (80, 320, 1280)]
LIMIT = 10e9
"""Bytes that one process of B5 may need."""

ENVIRONMENT = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)}
"""Tensors that are freed go back to the system, so that no holes between them are measured."""

Sequences = tuple[Tensor, Tensor]
"""Inputs and what is to come out, Tensor[B, 192, 13] each."""


def copies(generator: torch.Generator) -> Sequences:
    """Draw a batch of B1: what is heard in 128 steps comes out 64 later."""
    inputs = torch.randint(0, 2, (BATCH, STEPS, BITS), generator=generator).float()
    inputs[:, -FIRST:] = 0
    return inputs, torch.cat([torch.zeros(BATCH, FIRST, BITS), inputs[:, :-FIRST]], 1)


def rotated(generator: torch.Generator) -> Sequences:
    """Draw a batch of B2."""
    inputs, outputs = copies(generator)
    return inputs, outputs.roll(1, -1)


def selected(generator: torch.Generator) -> Sequences:
    """Draw a batch of B3."""
    inputs = torch.randint(0, 2, (BATCH, STEPS, BITS), generator=generator).float()
    source = torch.arange(STEPS) - LAG_OF_COUNT[inputs.sum(-1).long()]
    # What lies before the beginning is never counted.
    source = source.clamp(min=0)[..., None].expand(-1, -1, BITS)
    return inputs, inputs.gather(1, source).roll(1, -1)


class Reader(nn.Module):
    """HistoryUser of seed 000, with the first weights of its author.

    Parameters
    ----------
    output : str
        What becomes of the vector that was read: ``read``, nothing; ``linear``, a linear map;
        ``lstm``, an LSTM of 90 over it and the input, and a linear map.
    bound : float
        No lag's logit can be larger, or smaller than its negative.
    """

    def __init__(self, output: str, bound: float = math.inf):
        super().__init__()
        self.first = lstm(BITS, 70)
        self.second = lstm(70, 50)
        self.logits = linear(50, LAGS)
        self.bound = bound
        self.last = lstm(2 * BITS, 90) if output == "lstm" else None
        self.out = {
            "read": nn.Identity,
            "linear": lambda: nn.Linear(BITS, BITS),
            "lstm": lambda: linear(90, BITS),
        }[output]()

    def weigh(self, read: Tensor) -> Tensor:
        """Turn Tensor[B, T, 50] into logits, Tensor[B, T, 80]."""
        logits = self.logits(read)
        return logits if math.isinf(self.bound) else self.bound * logits.tanh()

    def forward(self, inputs: Tensor) -> Tensor:
        """Turn Tensor[B, T, 13] into Tensor[B, T, 13]."""
        read, _ = self.second(self.first(inputs)[0])
        past = torch.cat([inputs.new_zeros(len(inputs), LAGS, BITS), inputs[:, :-1]], 1)
        recalled = recall(past, read, self.weigh, list(range(1, LAGS + 1)))
        if self.last is not None:
            recalled, _ = self.last(torch.cat([inputs, recalled], -1))
        return self.out(recalled)


def lstm(inputs: int, cells: int) -> nn.LSTM:
    """Make an LSTM with the first weights of TensorFlow: Glorot's, and 1 for what is kept."""
    layer = nn.LSTM(inputs, cells, batch_first=True)
    nn.init.xavier_uniform_(layer.weight_ih_l0)
    nn.init.xavier_uniform_(layer.weight_hh_l0)
    nn.init.zeros_(layer.bias_ih_l0)
    nn.init.zeros_(layer.bias_hh_l0)
    nn.init.ones_(layer.bias_ih_l0[cells : 2 * cells].data)
    return layer


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Make a linear map with normal first weights, as the author's."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def count(reader: Reader) -> None:
    """Let a reader begin with cells that tell how many bits are 1, and with nothing else.

    The cells of its first LSTM switch at numbers spread from 0 to 13, those of the second see them
    clearly, no cell keeps or hears anything of the steps before, and every lag weighs the same.
    """
    for layer in (reader.first, reader.second):
        layer.bias_ih_l0.data.chunk(4)[1].fill_(-4)
        nn.init.zeros_(layer.weight_hh_l0)
    write, _, new, show = reader.first.bias_ih_l0.data.chunk(4)
    write.fill_(2)
    show.fill_(2)
    new.copy_(-2 * torch.linspace(0, BITS, len(new)))
    reader.first.weight_ih_l0.data *= 0.3
    reader.first.weight_ih_l0.data.chunk(4)[2].add_(2)
    reader.second.weight_ih_l0.data *= 2
    nn.init.zeros_(reader.logits.weight)
    nn.init.zeros_(reader.logits.bias)


def loss(reader: Reader, sequences: Sequences) -> Tensor:
    """Compute the loss as its author prints it."""
    inputs, outputs = sequences
    return (reader(inputs) - outputs)[:, FIRST:].square().mean((0, 2)).sum()


def trained(
    reader: Reader,
    draw: Callable[[torch.Generator], Sequences],
    batches: int,
    what: str,
    careful: bool = False,
) -> float:
    """Train on fresh batches and compute the loss on eight more.

    Adam has a rate of 0.001; or, if careful, of 0.01, with a start, an end and clipped gradients.
    """
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(reader.parameters(), 0.001)
    for done in progress(range(batches), batches, what):
        optimizer.zero_grad()
        loss(reader, draw(generator)).backward()
        if careful:
            fall = (1 + math.cos(math.pi * done / batches)) / 2
            optimizer.param_groups[0]["lr"] = 0.01 * min(1, (done + 1) / 30) * fall
            nn.utils.clip_grad_norm_(reader.parameters(), 1)
        optimizer.step()
    with torch.no_grad():
        return sum(loss(reader, draw(generator)).item() for _ in range(8)) / 8


def evolved(reader: Reader) -> tuple[float, float]:
    """Evolve on B1; the losses before and after, on fresh batches."""
    generator = torch.Generator().manual_seed(1)
    # PyTorch gives an LSTM two biases that do the same: one is enough.
    weights = [value for name, value in reader.named_parameters() if "bias_hh" not in name]
    center = parameters_to_vector(weights)
    before = loss(reader, copies(generator)).item()
    for _ in progress(range(GENERATIONS), GENERATIONS, "B4"):
        sequences = [part[:JUDGED] for part in copies(generator)]
        noise = NOISE * torch.randn(POPULATION, len(center), generator=generator)
        losses = torch.empty(POPULATION)
        for i in range(POPULATION):
            vector_to_parameters(center + noise[i], weights)
            losses[i] = loss(reader, sequences)
        fitness = losses.max() - losses
        center = center + fitness @ noise / fitness.sum()
    vector_to_parameters(center, weights)
    return before, loss(reader, copies(generator)).item()


def copied(past: Tensor, read: Tensor, weigh: nn.Module, lags: list[int]) -> Tensor:
    """What `recall` computes, with a copy of the past for each step: [B, T, lags, K]."""
    steps, reach = read.shape[1], max(lags)
    lagged = torch.stack([past[:, reach - lag : reach - lag + steps] for lag in lags], 2)
    return (weigh(read).softmax(-1)[:, :, None] @ lagged)[:, :, 0]


def needed(form: str, lags: int, steps: int) -> float:
    """Bytes that a form will need at most, roughly: copies, weights and their gradients."""
    return 4.0 * BATCH * steps * lags * (BITS + 4) if form == "copy" else 0


def peak() -> int:
    """Bytes of memory that this process has ever held."""
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])


def measure(form: str, lags: int, steps: int) -> None:
    """Print the bytes and the seconds of a forward and a backward pass."""
    reach = {"recall": recall, "copy": copied}[form]
    weigh = nn.Linear(50, lags)
    past, read = torch.rand(BATCH, lags - 1 + steps, BITS), torch.rand(BATCH, steps, 50)
    read.requires_grad_()
    # What every process pays once, threads and kernels, is not counted.
    reach(past[:1, : lags + 1], read[:1, :2], weigh, list(range(1, lags + 1))).sum().backward()
    read.grad = None
    before, start = peak(), time.perf_counter()
    reach(past, read, weigh, list(range(1, lags + 1))).square().sum().backward()
    print(peak() - before, time.perf_counter() - start)


def memory_table() -> None:
    """Print B5: memory and time of both forms, each in a process of its own."""
    print("\n| lags | steps | recall, MB | copy, MB | copy / recall | time of copy / recall |")
    print("|---|---|---|---|---|---|")
    for lags, steps in progress(MEASURED, len(MEASURED), "B5"):
        results = {}
        for form in FORMS:
            if needed(form, lags, steps) <= LIMIT:
                command = [sys.executable, __file__, "--measure", form, str(lags), str(steps)]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
                ).stdout
                results[form] = [float(number) for number in output.split()]
        size, seconds = results["recall"]
        row = [f"{lags} | {steps} | {size / 1e6:.0f}"]
        if "copy" in results:
            copy_size, copy_seconds = results["copy"]
            row += [f"{copy_size / 1e6:.0f}", f"{copy_size / size:.0f}"]
            row += [f"{copy_seconds / seconds:.1f}"]
        else:
            row += ["does not fit", "", ""]
        print("|", " | ".join(row), "|", flush=True)


def task(name: str) -> None:
    """Print the rows of a task."""

    def row(loss: float, author: str, what: str) -> None:
        print(f"| {name}: {loss:.4f} (author {author}) | {what} |", flush=True)

    def final_lstm(draw: Callable[[torch.Generator], Sequences], author: str) -> None:
        losses = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            losses.append(trained(Reader("lstm"), draw, 900, f"{name}, seed {seed}"))
        how = ", ".join(f"{loss:.4f}" for loss in losses)
        row(
            statistics.median(losses), author, f"900 batches, final LSTM of 90; the median of {how}"
        )

    torch.manual_seed(SEEDS[0])
    if name == "B1":
        loss = trained(Reader("read"), copies, 200, "B1")
        row(loss, "0.0000", "200 batches, what was read is the output")
        final_lstm(copies, "0.0646")
    elif name == "B2":
        final_lstm(rotated, "0.0856")
    elif name == "B3":
        final_lstm(selected, "5.41")
        torch.manual_seed(SEEDS[0])
        reader = Reader("linear", bound=5)
        count(reader)
        loss = trained(reader, selected, 400, "B3 with counting cells", careful=True)
        row(loss, "5.41", "400 batches, counting cells, bounded logits, linear output")
    elif name == "B4":
        before, after = evolved(Reader("read").requires_grad_(False))
        row(after, "0.0015", f"{GENERATIONS} generations, {before:.1f} (author 36.8) before")


def main() -> None:
    """Print a table of losses and one of memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="B1 to B5, all by default")
    parser.add_argument("--measure", nargs=3, metavar=("FORM", "LAGS", "STEPS"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.measure:
        form, lags, steps = options.measure
        measure(form, int(lags), int(steps))
        return
    devices.keep_freed_memory()
    rows = options.rows or ROWS
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    print("| loss | how |\n|---|---|")
    for name in rows:
        task(name)
    if "B5" in rows:
        memory_table()


if __name__ == "__main__":
    main()
