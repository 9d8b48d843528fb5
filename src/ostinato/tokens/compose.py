"""Pieces that a token model writes: files to read and to hear, and figures by temperature."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from ostinato import files, training
from ostinato.audio.synthesis import render, write_wav
from ostinato.errors import UserError
from ostinato.evaluation import plots
from ostinato.models import read_model
from ostinato.params import TokenCompose
from ostinato.progress import progress
from ostinato.scores.midi import midi_bytes
from ostinato.scores.notation import read_abc
from ostinato.scores.score import Score, UnreadableScore
from ostinato.seeds import derive
from ostinato.tokens.bars import HEAD, adds_up
from ostinato.tokens.chords import score_of
from ostinato.tokens.figures import Grams
from ostinato.tokens.model import NextToken
from ostinato.tokens.ngrams import BOUNDARY
from ostinato.tokens.streams import Streams
from ostinato.tokens.writing import write

TEMPERATURES = {"1/2": 1 / 2, "2/3": 2 / 3, "1": 1.0}
"""Of the third notebook: it repeats itself, the golden middle, many errors."""
PIECES = 40
"""Pieces at each of these temperatures."""
GRAM = 8
"""Length of the stretches that are counted, in tokens."""
STEPS_PER_BEAT = 4
"""For pictures of pieces: the unit of their grid."""
WINDOW = 100
"""Tokens of a window that is gone on with."""


def write_pieces(
    out: Path, model: Path, data: Path, settings: TokenCompose, threads: int, seed: int
) -> None:
    """Write pieces and ``figures.json``.

    Chords become ``piece-*.txt`` (the tokens), ``.mid`` and ``.wav``; tunes ``.abc``, ``.mid`` and
    ``.wav``, the last two where music21 can read them; other text ``.txt``. A classifier writes
    nothing: then there is only ``config.json`` with ``kind: none``.

    Parameters
    ----------
    out : Path
        A folder.
    model : Path
        A token model's folder.
    data : Path
        The streams that it was trained on.
    settings : TokenCompose
        The section of params.yaml.
    threads, seed : int
        As there.

    Raises
    ------
    UserError
        When the prompt has something that the model does not know.
    """
    training.prepare(threads, seed)
    config, weights = read_model(model)
    about = config["data"]
    if about["label"]:
        files.write_json(out / "config.json", {"kind": "none"})
        return
    module = NextToken(config).eval()
    module.load_state_dict(weights)
    streams = Streams(data)
    for number in progress(range(settings.pieces), settings.pieces, "token_compose"):
        prompt = prompt_of(settings, streams, derive(seed, "token_compose", number, "prompt"))
        uniforms = training.uniforms((1, settings.tokens), seed, "token_compose", number)
        [written] = write(
            module,
            torch.tensor([prompt]),
            uniforms,
            settings.temperature,
            settings.top_k,
            settings.top_p,
        )
        given = prompt[1:] if settings.start == "prompt" else []
        save(out / f"piece-{number + 1:02d}", [about["names"][c] for c in given + written], about)
    found = by_temperature(module, streams, settings.tokens, seed)
    files.write_json(out / "figures.json", found)
    plots.save(out / "temperatures.png", plot(found))


def prompt_of(settings: TokenCompose, streams: Streams, seed: int) -> list[int]:
    """Choose what a piece goes on with: classes."""
    if settings.start == "beginning":
        return [BOUNDARY]
    if settings.start == "window":
        return window_of(streams, seed)
    chords = streams.about["kind"] == "chords"
    class_of = {name: number for number, name in enumerate(streams.names)}
    tokens = settings.prompt.split() if chords else list(settings.prompt)
    for token in tokens:
        if token not in class_of:
            what = "chord or note" if chords else "character"
            raise UserError(
                f"token_compose: prompt has {token!r}, a {what} that does not occur in what the "
                f"model learned from"
            )
    return [BOUNDARY, *(class_of[token] for token in tokens)]


def window_of(streams: Streams, seed: int) -> list[int]:
    """Choose a random window of the test stream: classes."""
    test = streams["test"]
    start = np.random.default_rng(seed).integers(max(len(test) - WINDOW, 1))
    return test[start : start + WINDOW].tolist()


def save(path: Path, tokens: list[str], about: dict[str, Any]) -> None:
    """Write one piece; see `write_pieces`.

    Parameters
    ----------
    path : Path
        The files' names, without their suffixes.
    tokens : list of str
    about : dict
        The config.json of the streams.
    """
    score: Score | UnreadableScore | None = None
    if about["kind"] == "chords":
        files.write(path.with_suffix(".txt"), (" ".join(tokens) + "\n").encode())
        score = score_of(tokens, about["octaves"])
    elif about["kind"] == "tunes":
        tune = HEAD + "".join(tokens)
        files.write(path.with_suffix(".abc"), tune.encode())
        score = read_abc(tune)
    else:
        files.write(path.with_suffix(".txt"), "".join(tokens).encode())
    if isinstance(score, Score):
        files.write(path.with_suffix(".mid"), midi_bytes(score))
        write_wav(path.with_suffix(".wav"), render(score))
        plots.save(path.with_suffix(".png"), plots.roll(score, 0, STEPS_PER_BEAT))


def by_temperature(
    model: NextToken, streams: Streams, tokens: int, seed: int
) -> dict[str, dict[str, float]]:
    """Compare what a model writes at several temperatures with test pieces.

    Parameters
    ----------
    model : NextToken
    streams : Streams
        It was trained on.
    tokens : int
        Length of a piece at the most.
    seed : int

    Returns
    -------
    dict
        For each of `TEMPERATURES`, and for ``"real"`` pieces: ``distinct``, the share of stretches
        of `GRAM` tokens that are different from all others; ``new``, the share of them that stand
        nowhere in the training pieces; ``longest_copy``, the longest stretch that does, in tokens;
        of tunes ``adds_up``, the share that music21 reads and whose bars add up.
    """
    known = streams.learned()
    kind = streams.about["kind"]
    sets = {"real": _real(streams, tokens, seed)}
    for name, temperature in progress(TEMPERATURES.items(), len(TEMPERATURES), "temperatures"):
        prompts = [[BOUNDARY]] * PIECES
        if kind == "text":
            seeds = (derive(seed, "temperatures", number) for number in range(PIECES))
            prompts = [window_of(streams, one) for one in seeds]
        uniforms = training.uniforms((PIECES, tokens), seed, "temperatures", name)
        sets[name] = write(model, torch.tensor(prompts), uniforms, temperature)
    found = {}
    for name, pieces in sets.items():
        grams = Grams(pieces, known)
        found[name] = {
            "distinct": grams.distinct(GRAM),
            "new": grams.new(GRAM),
            "longest_copy": grams.longest_copy(),
        }
        if kind == "tunes":
            texts = ["".join(streams.names[token] for token in piece) for piece in pieces]
            found[name]["adds_up"] = float(np.mean([adds_up(text) for text in texts]))
    return found


def _real(streams: Streams, tokens: int, seed: int) -> list[list[int]]:
    """Choose as many test pieces; of a text, stretches of it."""
    rng = np.random.default_rng(derive(seed, "temperatures", "real"))
    if streams.about["kind"] == "text":
        starts = rng.integers(max(len(streams["test"]) - tokens, 1), size=PIECES)
        found = [streams["test"][start : start + tokens] for start in starts]
    else:
        pieces = streams.pieces("test")
        found = [pieces[i] for i in rng.permutation(len(pieces))[:PIECES]]
    return [piece.tolist()[:tokens] for piece in found]


def plot(found: dict[str, dict[str, float]]) -> Figure:
    """Draw `by_temperature`: a panel for each figure, real pieces as a line across it."""
    labels = {
        "distinct": f"distinct stretches of {GRAM} tokens",
        "new": f"stretches of {GRAM} tokens not seen in training",
        "longest_copy": "longest copy, tokens",
        "adds_up": "tunes whose bars add up",
    }
    real = found["real"]
    figure = Figure(figsize=(3.4 * len(real), 3.2), layout="constrained")
    for axes, (name, value) in zip(figure.subplots(1, len(real)), real.items(), strict=True):
        values = [found[temperature][name] for temperature in TEMPERATURES]
        axes.plot(list(TEMPERATURES.values()), values, "o-", color=plots.ACCENT, label="written")
        axes.axhline(value, color=plots.INK, linestyle="--", label="real")
        axes.set_xticks(list(TEMPERATURES.values()), list(TEMPERATURES))
        axes.set_ylim(0, None if name == "longest_copy" else 1.05)
        axes.set_title(labels[name], loc="left", fontsize=9)
        axes.set_xlabel("temperature")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
