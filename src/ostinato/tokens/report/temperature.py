"""The effect of temperature on what a token model writes.

The third notebook found that the model repeats itself at 1/2 and makes many errors at 1, and that
2/3 is best.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from ostinato.core import noise
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.scores import plotting
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.bars import adds_up
from ostinato.tokens.compose.compose import window_of
from ostinato.tokens.compose.sampling import sample
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken
from ostinato.tokens.report.diversity import Diversity

TEMPERATURES = {"1/2": 1 / 2, "2/3": 2 / 3, "1": 1.0}
PIECES, LENGTH = 40, 1000
"""The number of pieces at each temperature, and the most tokens of one."""
NGRAM_LENGTHS = {"events": 16, "chords": 4, "tunes": 8, "text": 8}
"""The length of the n-grams that are counted. Hardly any eight chords occur twice, even in real
music."""


def compare_temperatures(
    model: NextToken, streams: Streams, seed: int
) -> dict[str, dict[str, float]]:
    """Compare what a model writes at several temperatures with the real test pieces.

    Parameters
    ----------
    model : NextToken
    streams : Streams
        The streams that it was trained on.
    seed : int

    Returns
    -------
    dict
        For ``"real"`` pieces and each of `TEMPERATURES`: ``distinct``, the number of different
        n-grams divided by the number of all; ``new``, the share of n-grams that do not occur in the
        training pieces; ``longest_copy``, the length of the longest n-gram that does. All are
        computed from the same number of tokens. For tunes also ``adds_up``: the share of pieces
        that end, that music21 can read, and whose bars are as long as their metre says.
    """
    sets = {"real": _real(streams, np.random.default_rng(derive(seed, "real")))}
    for name, temperature in TEMPERATURES.items():
        sets[name] = _written(model, streams, temperature, derive(seed, "written", name))
    size = min(sum(map(len, pieces)) for pieces in sets.values())
    known = streams.transpositions()
    n = NGRAM_LENGTHS[streams.config["kind"]]
    found: dict[str, dict[str, float]] = {}
    for name, pieces in progress(sets.items(), len(sets), "temperatures"):
        diversity = Diversity(_first(pieces, size), known)
        found[name] = {
            "distinct": diversity.distinct(n),
            "new": diversity.novelty(n),
            "longest_copy": diversity.longest_copy(),
        }
        if streams.config["kind"] == "tunes":
            ended = [piece for piece in pieces if len(piece) < LENGTH]
            texts = ["".join(streams.names[token] for token in piece) for piece in ended]
            found[name]["adds_up"] = sum(map(adds_up, texts)) / len(pieces)
    return found


def _written(model: NextToken, streams: Streams, temperature: float, seed: int) -> list[list[int]]:
    prompts = [[BOUNDARY]] * PIECES
    if streams.config["kind"] == "text":
        rng = np.random.default_rng(derive(seed, "windows"))
        windows = [window_of(model, streams, rng)[0] for _ in range(PIECES)]
        shortest = min(map(len, windows))
        prompts = [window[-shortest:] for window in windows]
    uniforms = noise.uniforms((PIECES, LENGTH), seed, "tokens")
    return sample(model, torch.tensor(prompts), uniforms, temperature)


def _real(streams: Streams, rng: np.random.Generator) -> list[list[int]]:
    """Choose up to `PIECES` random test pieces, or passages of a text that do not overlap."""
    pieces = streams.pieces("test")
    places = [(i, 0) for i in range(len(pieces))]
    if streams.config["kind"] == "text":
        places = [(i, first) for i, p in enumerate(pieces) for first in range(0, len(p), LENGTH)]
    chosen = [places[number] for number in rng.permutation(len(places))[:PIECES]]
    return [pieces[i][first : first + LENGTH].tolist() for i, first in chosen]


def _first(pieces: list[list[int]], size: int) -> list[list[int]]:
    """Take this many tokens from the beginning of a list of pieces."""
    ends = np.cumsum([0, *map(len, pieces)])
    return [p[: size - end] for p, end in zip(pieces, ends, strict=False) if end < size]


def plot(found: dict[str, dict[str, float]], n: int) -> Figure:
    """Draw a panel for each metric, with a line for real pieces.

    Parameters
    ----------
    found : dict
        From `compare_temperatures`.
    n : int
        The length of its n-grams.

    Returns
    -------
    Figure
    """
    titles = {
        "distinct": f"different {n}-grams, of all",
        "new": f"{n}-grams not seen in training",
        "longest_copy": "longest copy, tokens",
        "adds_up": "tunes whose bars add up",
    }
    real = found["real"]
    places = list(TEMPERATURES.values())
    figure = Figure(figsize=(3.4 * len(real), 3.2), layout="constrained")
    for axes, (name, value) in zip(figure.subplots(1, len(real)), real.items(), strict=True):
        values = [found[temperature][name] for temperature in TEMPERATURES]
        axes.plot(places, values, "o-", color=plotting.ACCENT, label="written")
        axes.axhline(value, color=plotting.INK, linestyle="--", label="real")
        axes.set_xticks(places, list(TEMPERATURES))
        axes.set_ylim(0, 1.05 * (max(value, *values) if name == "longest_copy" else 1))
        axes.set_title(titles[name], loc="left", fontsize=9)
        axes.set_xlabel("temperature")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
