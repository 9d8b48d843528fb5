"""What temperature does to what a token model writes.

The third notebook's observations: at 1/2 it repeats itself, 2/3 is the golden middle, 1 has many
errors.
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
from ostinato.tokens.report.figures import Grams

TEMPERATURES = {"1/2": 1 / 2, "2/3": 2 / 3, "1": 1.0}
PIECES, LENGTH = 40, 1000
"""Pieces at each temperature, and tokens of one at the most."""
GRAM = {"chords": 4, "tunes": 8, "text": 8}
"""Length of the n-grams that are counted. Hardly any eight chords occur twice, in real music
either."""


def by_temperature(model: NextToken, streams: Streams, seed: int) -> dict[str, dict[str, float]]:
    """Compare what a model writes at several temperatures with test pieces.

    Parameters
    ----------
    model : NextToken
    streams : Streams
        Those that it was trained on.
    seed : int

    Returns
    -------
    dict
        For ``"real"`` pieces and each of `TEMPERATURES`: ``distinct``, how many different n-grams
        there are, of as many tokens as `GRAM` says, divided by all; ``new``, the share of them that
        stand nowhere in what `Streams.learned` gives; ``longest_copy``, the longest that does, in
        tokens; all of as many tokens, those of the smallest set. Of tunes also ``adds_up``, the
        share that came to an end, that music21 reads, and whose bars are as long as their metre
        wants.
    """
    sets = {"real": _real(streams, np.random.default_rng(derive(seed, "real")))}
    for name, temperature in TEMPERATURES.items():
        sets[name] = _written(model, streams, temperature, derive(seed, "written", name))
    size = min(sum(map(len, pieces)) for pieces in sets.values())
    known = streams.learned()
    gram = GRAM[streams.about["kind"]]
    found: dict[str, dict[str, float]] = {}
    for name, pieces in progress(sets.items(), len(sets), "temperatures"):
        grams = Grams(_first(pieces, size), known)
        found[name] = {
            "distinct": grams.distinct(gram),
            "new": grams.new(gram),
            "longest_copy": grams.longest_copy(),
        }
        if streams.about["kind"] == "tunes":
            whole = [piece for piece in pieces if len(piece) < LENGTH]
            texts = ["".join(streams.names[token] for token in piece) for piece in whole]
            found[name]["adds_up"] = sum(map(adds_up, texts)) / len(pieces)
    return found


def _written(model: NextToken, streams: Streams, temperature: float, seed: int) -> list[list[int]]:
    given = [[BOUNDARY]] * PIECES
    if streams.about["kind"] == "text":
        rng = np.random.default_rng(derive(seed, "windows"))
        windows = [window_of(model, streams, rng)[0] for _ in range(PIECES)]
        shortest = min(map(len, windows))
        given = [window[-shortest:] for window in windows]
    uniforms = noise.uniforms((PIECES, LENGTH), seed, "tokens")
    return sample(model, torch.tensor(given), uniforms, temperature)


def _real(streams: Streams, rng: np.random.Generator) -> list[list[int]]:
    """Choose as many test pieces, or stretches of a text that do not overlap."""
    pieces = streams.pieces("test")
    places = [(i, 0) for i in range(len(pieces))]
    if streams.about["kind"] == "text":
        places = [(i, first) for i, p in enumerate(pieces) for first in range(0, len(p), LENGTH)]
    chosen = [places[number] for number in rng.permutation(len(places))[:PIECES]]
    return [pieces[i][first : first + LENGTH].tolist() for i, first in chosen]


def _first(pieces: list[list[int]], size: int) -> list[list[int]]:
    """The first pieces, so many tokens of them all."""
    ends = np.cumsum([0, *map(len, pieces)])
    return [p[: size - end] for p, end in zip(pieces, ends, strict=False) if end < size]


def plot(found: dict[str, dict[str, float]], gram: int) -> Figure:
    """Draw `by_temperature`: a panel for each figure, real pieces as a line across it.

    Parameters
    ----------
    found : dict
    gram : int
        The length of its n-grams.

    Returns
    -------
    Figure
    """
    titles = {
        "distinct": f"different {gram}-grams, of all",
        "new": f"{gram}-grams not seen in training",
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
