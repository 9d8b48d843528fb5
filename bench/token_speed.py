"""Writing speed of the token model: carrying its state, or reading the window again.

    python bench/token_speed.py

The third notebook reads the last 100 letters again for each new one. Both ways use the same model,
of the sizes in params.yaml. Its weights are random; trained ones take the same time. The two ways
take turns to write one piece each. The ratio is the median over the turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ostinato.core import devices
from ostinato.core.categorical import draw
from ostinato.core.params import read_params
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.sampling import distribution, sample
from ostinato.tokens.model import NextToken

TOKENS = 500
CHARACTERS = 77


def main() -> None:
    """Write in both ways by turns, and print tokens per second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    params = read_params(Path("params.yaml"))
    chosen = params.token_model.letters
    devices.prepare(params.threads, 0)
    names = ["", *map(chr, range(33, 32 + CHARACTERS))]
    model = NextToken(chosen.model_dump() | {"data": {"names": names}}).eval()
    # So no piece ends early.
    torch.nn.init.constant_(model.output.bias[BOUNDARY : BOUNDARY + 1], -100.0)
    prompt = torch.randint(1, CHARACTERS, (1, chosen.window))
    uniforms = torch.rand(1, TOKENS)

    def carried() -> None:
        [piece] = sample(model, prompt, uniforms, 1.0)
        assert len(piece) == TOKENS

    @torch.no_grad()
    def again() -> None:
        text = prompt
        for number in uniforms[0]:
            window = text[:, -chosen.window :]
            features, _ = model.network(window, model.initial(1))
            logits = model.output(features[0, -1])
            token = draw(distribution(logits, 1.0, 0, 1.0), number)
            text = torch.cat([text, token[None, None]], 1)

    def seconds(way: Callable[[], None]) -> float:
        start = time.perf_counter()
        way()
        return time.perf_counter() - start

    seconds(carried), seconds(again)
    turns = [(seconds(carried), seconds(again)) for _ in range(options.turns)]
    fast, slow = (statistics.median(times) for times in zip(*turns, strict=True))
    print(f"state carried: {TOKENS / fast:.0f} tokens per second")
    print(f"window of {chosen.window} read again: {TOKENS / slow:.0f} tokens per second")
    print(f"ratio: {statistics.median(other / one for one, other in turns):.1f}")


if __name__ == "__main__":
    main()
