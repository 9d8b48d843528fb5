"""Writing pieces with a token model, as text, MIDI, sound and pictures."""

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
"""The grid of the piano rolls, in steps per quarter note."""


def write_pieces(
    out: Path, model: NextToken, streams: Streams, settings: TokenCompose, seed: int
) -> None:
    """Write pieces.

    Chords become ``piece-*.txt`` (the tokens), ``.mid``, ``.wav`` and ``.png``. Tunes become
    ``.abc``, and the last three as well if music21 can read them. Other text becomes ``.txt``.

    Parameters
    ----------
    out : Path
        The folder to write to.
    model : NextToken
    streams : Streams
        The streams that it was trained on.
    settings : TokenCompose
        The section of params.yaml.
    seed : int
        Each piece depends only on the seed and on its own number.

    Raises
    ------
    UserError
        When a token of the prompt is not in the vocabulary.
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
    """Choose what a piece continues.

    Parameters
    ----------
    settings : TokenCompose
        ``start`` is ``"beginning"``, the beginning of a piece, or of the training text if that is a
        single piece; ``"window"``, a window of a test piece; or ``"prompt"``.
    model : NextToken
    streams : Streams
    rng : Generator
        Chooses the window.

    Returns
    -------
    given : list of int
        Classes that the model reads, at least one.
    shown : list of int
        Those that belong to the written piece: the prompt, or the window of a tune.
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
    """Choose a random window of a random test piece; for tunes, the first window, with the header.

    For the results, see `start`.
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
        The name of the files, without a suffix.
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
