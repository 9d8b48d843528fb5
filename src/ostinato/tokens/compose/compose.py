"""Writing pieces with a token model, as text, MIDI, sound and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from ostinato.core import devices, files, noise
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
from ostinato.tokens.data.events import LASTING, classes_of, fitting, whole_bars
from ostinato.tokens.data.events import score_of as score_of_events
from ostinato.tokens.data.pairs import apart
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken

PIECE_COLUMNS = ["piece", "begins_as", "given"]
"""Of events: its name, the source of the song that it begins as, and the tick up to which it is
that song."""


def write_pieces(
    out: Path,
    model: NextToken,
    streams: Streams,
    settings: TokenCompose,
    seed: int,
    threads: int = 1,
    device: str = "cpu",
) -> None:
    """Write pieces.

    Events and chords become ``piece-*.txt`` (the tokens), ``.mid``, ``.wav`` and ``.png``. Tunes
    become ``.abc``, and the last three as well if music21 can read them. Other text becomes
    ``.txt``. A piece of events has at least half of the tokens that it may have; ``pieces.csv``
    lists what they begin as.

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
    threads : int
        On the CPU, the number of pieces that are written at once, with one thread for each.
    device : str
        See `ostinato.core.devices.prepare`.

    Raises
    ------
    UserError
        When a token of the prompt is not in the vocabulary.
    """
    on_cpu = devices.chosen(device, double=True).type == "cpu"
    jobs = min(threads, settings.pieces) if on_cpu else 1
    written = Parallel(jobs, return_as="generator")(
        delayed(_write_piece)(out, model, streams, settings, seed, device, number)
        for number in range(settings.pieces)
    )
    rows = list(progress(written, settings.pieces, "token_compose"))
    if model.data["kind"] == "events":
        files.write_table(out / "pieces.csv", PIECE_COLUMNS, rows)


def _write_piece(
    out: Path,
    model: NextToken,
    streams: Streams,
    settings: TokenCompose,
    seed: int,
    device: str,
    number: int,
) -> dict[str, Any]:
    """Compose and write one piece; give its row of pieces.csv."""
    model = model.to(devices.prepare(1, seed, device, double=True))
    name = f"piece-{number + 1:02d}"
    tokens, shown = composed(model, streams, settings, seed, number)
    save(out / name, tokens, model.data)
    if model.data["kind"] != "events":
        return {}
    source = _held_out(streams, number)[1] if settings.start == "window" else ""
    return {"piece": name, "begins_as": source, "given": given_ticks(shown, model)}


def composed(
    model: NextToken, streams: Streams, settings: TokenCompose, seed: int, number: int
) -> tuple[list[str], list[str]]:
    """Compose one piece.

    Parameters
    ----------
    model : NextToken
    streams : Streams
        The streams that it was trained on.
    settings : TokenCompose
        The section of params.yaml.
    seed, number : int
        They determine the piece.

    Returns
    -------
    tokens : list of str
        The names of all its tokens.
    shown : list of str
        The first of them, which it was given.

    Raises
    ------
    UserError
        When a token of the prompt is not in the vocabulary.
    """
    names, events = model.data["names"], model.data["kind"] == "events"
    rng = np.random.default_rng(derive(seed, "start", number))
    given, shown = start(settings, model, streams, rng, number)
    allowed, least = None, 1
    if events:
        allowed, least = _band(model, streams, shown, rng), settings.tokens // 2
    uniforms = noise.uniforms((1, settings.tokens), seed, "piece", number)
    chosen = settings.temperature, settings.top_k, settings.top_p
    [written] = sample(model, torch.tensor([given]), uniforms, *chosen, allowed, least)
    tokens = [names[token] for token in shown + written]
    if events and len(written) == settings.tokens:
        tokens = whole_bars(tokens)
    return tokens, [names[token] for token in shown]


def given_ticks(shown: list[str], model: NextToken) -> int:
    """Find the tick up to which a piece of events is what it was given.

    Parameters
    ----------
    shown : list of str
        The tokens that it was given.
    model : NextToken
        Of events.

    Returns
    -------
    int
        0 if that is nothing.
    """
    notes = score_of_events(shown, model.data).notes
    return int(notes["onset"].max()) + 1 if len(notes) else 0


def _band(model: NextToken, streams: Streams, shown: list[int], rng: np.random.Generator) -> Tensor:
    """Choose instruments and metre: those of the beginning, or else those of a training song."""
    names = model.data["names"]
    songs = streams.pieces("train")
    other = apart(names[token] for token in songs[rng.integers(len(songs))])
    own = apart(names[token] for token in shown)
    for kind in LASTING:
        if not any(token.startswith(kind) for token in own):
            own += [token for token in other if token.startswith(kind)]
    return torch.from_numpy(fitting(names, own))


def _held_out(streams: Streams, number: int) -> tuple[np.ndarray, str]:
    """Choose a song that was not learned, and its source: the test songs in turn, then others."""
    songs = [*streams.pieces("test"), *streams.pieces("valid")]
    sources = [*streams.sources("test"), *streams.sources("valid")]
    return songs[number % len(songs)], sources[number % len(songs)]


def start(
    settings: TokenCompose,
    model: NextToken,
    streams: Streams,
    rng: np.random.Generator,
    number: int = 0,
) -> tuple[list[int], list[int]]:
    """Choose what a piece continues.

    Parameters
    ----------
    settings : TokenCompose
        ``start`` is ``"beginning"``, the beginning of a piece, or of the training text if that is a
        single piece; ``"window"``, a window of a test piece, or of events the beginning of one that
        was not learned; or ``"prompt"``.
    model : NextToken
    streams : Streams
    rng : Generator
        Chooses the window.
    number : int
        That of the piece. Pieces of events take the test songs in turn, then those for validation.

    Returns
    -------
    given : list of int
        Classes that the model reads, at least one.
    shown : list of int
        Those that belong to the written piece: the prompt, or the window of a tune or of events.
    """
    kind = model.data["kind"]
    if settings.start == "prompt":
        prompt = _classes(settings.prompt, model.data)
        return [BOUNDARY, *prompt], prompt
    if settings.start == "window" and kind == "events":
        first = _held_out(streams, number)[0][: model.window].tolist()
        return [BOUNDARY, *first], first
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
    events, chords = data["kind"] == "events", data["kind"] == "chords"
    class_of = {name: number for number, name in enumerate(data["names"]) if name}
    tokens = prompt.split() if events or chords else list(prompt)
    for token in tokens:
        if token not in class_of:
            what = "an event" if events else "a note or chord" if chords else "a character"
            where = data["kind"] if events or chords else "letters"
            raise UserError(
                f"token_compose: prompt has {token!r}, {what} that does not occur in its "
                f"vocabulary: data/tokens/{where}/config.json"
            )
    return classes_of(tokens, data) if events else [class_of[token] for token in tokens]


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
    if data["kind"] == "events":
        files.write(path.with_suffix(".txt"), (" ".join(tokens) + "\n").encode())
        score = score_of_events(tokens, data, path.name)
    elif data["kind"] == "chords":
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
        plotting.save(
            path.with_suffix(".png"), picture.roll(score, np.zeros(len(score.notes), bool))
        )
