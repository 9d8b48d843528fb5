"""Pieces that a token model writes, as files to read and to hear."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.core import files, noise
from ostinato.core.errors import UserError
from ostinato.core.params import TokenCompose
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.scores import picture, plotting
from ostinato.scores.midi import midi_bytes
from ostinato.scores.notation import read_abc
from ostinato.scores.score import Score
from ostinato.scores.synthesis import render
from ostinato.scores.wav import write_wav
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.bars import HEAD, bounded
from ostinato.tokens.compose.sampling import sample
from ostinato.tokens.data.chords import score_of
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken

STEPS_PER_BEAT = 4
"""The grid of pictures."""


def write_pieces(
    out: Path, model: NextToken, streams: Streams, settings: TokenCompose, seed: int
) -> None:
    """Write pieces.

    Chords become ``piece-*.txt`` (the tokens), ``.mid``, ``.wav`` and ``.png``; tunes ``.abc``, and
    the other three where music21 can read it; other text ``.txt``.

    Parameters
    ----------
    out : Path
        A folder.
    model : NextToken
    streams : Streams
        Those that it was trained on.
    settings : TokenCompose
        The section of params.yaml.
    seed : int
        Each piece is a function of it and of the piece's number.

    Raises
    ------
    UserError
        When the prompt has something that the model does not know.
    """
    for number in progress(range(settings.pieces), settings.pieces, "token_compose"):
        rng = np.random.default_rng(derive(seed, "start", number))
        given, shown = start(settings, model, streams, rng)
        uniforms = noise.uniforms((1, settings.tokens), seed, "piece", number)
        chosen = settings.temperature, settings.top_k, settings.top_p
        [written] = sample(model, torch.tensor([given]), uniforms, *chosen)
        tokens = [model.data["names"][token] for token in shown + written]
        save(out / f"piece-{number + 1:02d}", tokens, model.data)


def start(
    settings: TokenCompose, model: NextToken, streams: Streams, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Choose what a piece goes on with.

    Parameters
    ----------
    settings : TokenCompose
        ``start`` is ``"beginning"``, of a piece, or of the text that was learned where that is one
        piece; ``"window"``, one of a test piece; or ``"prompt"``.
    model : NextToken
    streams : Streams
    rng : Generator
        Chooses the window.

    Returns
    -------
    given : list of int
        Classes that the model reads, one at least.
    shown : list of int
        Those of them that stand before what is written: the prompt, or the window of a tune.
    """
    kind = model.data["kind"]
    if settings.start == "prompt":
        prompt = _classes(settings.prompt, model.data)
        return [BOUNDARY, *prompt], prompt
    if settings.start == "window":
        return window_of(model, streams, rng)
    if kind == "text" and len(streams.pieces("train")) == 1:
        return streams["train"][: model.window + 1].tolist(), []
    return [BOUNDARY], []


def window_of(
    model: NextToken, streams: Streams, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Choose a window of a test piece, at random; of a tune the first one, which has its head.

    For results see `start`.
    """
    pieces = streams.pieces("test")
    piece = pieces[rng.integers(len(pieces))]
    if model.data["kind"] == "tunes":
        first = piece[: model.window].tolist()
        return [BOUNDARY, *first], first
    end = int(rng.integers(min(model.window, len(piece)), len(piece) + 1))
    begin = max(end - model.window, 0)
    return ([] if begin else [BOUNDARY]) + piece[begin:end].tolist(), []


def _classes(prompt: str, data: dict[str, Any]) -> list[int]:
    chords = data["kind"] == "chords"
    class_of = {name: number for number, name in enumerate(data["names"]) if name}
    tokens = prompt.split() if chords else list(prompt)
    for token in tokens:
        if token not in class_of:
            what = "a note or chord" if chords else "a character"
            raise UserError(
                f"token_compose: prompt has {token!r}, {what} that does not occur in its "
                f"vocabulary: data/tokens/{data['kind'] if chords else 'letters'}/config.json"
            )
    return [class_of[token] for token in tokens]


def save(path: Path, tokens: list[str], data: dict[str, Any]) -> None:
    """Write one piece; see `write_pieces`.

    Parameters
    ----------
    path : Path
        The files' names, without their suffixes.
    tokens : list of str
    data : dict
        The config.json of the streams.
    """
    score = None
    if data["kind"] == "chords":
        files.write(path.with_suffix(".txt"), (" ".join(tokens) + "\n").encode())
        score = score_of(tokens, data["octaves"])
    elif data["kind"] == "tunes":
        tune = HEAD + "".join(tokens)
        files.write(path.with_suffix(".abc"), tune.encode())
        score = read_abc(tune) if bounded(tune) else None
    else:
        files.write(path.with_suffix(".txt"), "".join(tokens).encode())
    if isinstance(score, Score):
        files.write(path.with_suffix(".mid"), midi_bytes(score))
        write_wav(path.with_suffix(".wav"), render(score))
        plotting.save(path.with_suffix(".png"), picture.roll(score, 0, STEPS_PER_BEAT))
