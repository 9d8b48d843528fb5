"""Metrics of a score creator on held-out pieces, beside those of its baselines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core.devices import device_of
from ostinato.core.noise import normals, uniforms
from ostinato.core.progress import progress
from ostinato.sound.compose.improvise import Improviser
from ostinato.sound.data.frames import NEXT, PAST, Windows
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts.principal import principal_axes
from ostinato.sound.parts.score_creator import ScoreCreator
from ostinato.sound.report import continuation
from ostinato.sound.transcriber import Transcriber

CHUNK = 512
"""The number of windows that are processed at a time."""
DRAWS = 8
"""The number of draws for each window."""
COMPONENTS = 64
"""The most principal components of a frame that ridge regression sees."""
MUSIC = 50_000
"""The most training frames among which the nearest one is searched for."""
PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Penalties of ridge regression, in units of the mean square of an input times the number of
windows. The validation windows choose one."""


def measure(
    creator: nn.Module,
    improviser: Improviser,
    transcriber: Transcriber,
    sounds: Sounds,
    frames: Path,
    name: str,
    seed: int,
) -> dict[str, Any]:
    """Measure a score creator of any kind.

    Parameters
    ----------
    creator : nn.Module
        Trained.
    improviser : Improviser
        It improvises with this score creator.
    transcriber : Transcriber
    sounds : Sounds
        The collection.
    frames : Path
        What `ostinato.sound.data.frames.build` wrote.
    name : str
        Of the score creator.
    seed : int

    Returns
    -------
    dict
        ``continued``: see `ostinato.sound.report.continuation.measure`. If it draws frames, also
        what `compare` returns.
    """
    figures = compare(creator, frames, name, seed) if isinstance(creator, ScoreCreator) else {}
    return {**figures, "continued": continuation.measure(improviser, transcriber, sounds, seed)}


def compare(model: ScoreCreator, frames: Path, name: str, seed: int) -> dict[str, Any]:
    """Compare a score creator with its baselines on the test windows.

    Parameters
    ----------
    model : ScoreCreator
        Trained.
    frames : Path
        What `ostinato.sound.data.frames.build` wrote.
    name : str
        What to call the model.
    seed : int
        Determines what is drawn.

    Returns
    -------
    dict
        ``windows``, their number, and three metrics, in the same unit as the numbers of a frame,
        for each model:

        - ``energy_score`` (Gneiting and Raftery 2007): the mean distance from a draw to the truth,
          minus half the mean distance between two draws. ``repeat_last`` and ``ridge`` are
          deterministic, so their score is just the distance. ``ridge_with_errors`` adds to ridge
          regression one of its errors on the validation windows, drawn at random.
        - ``distance_of_mean``: from the mean of the draws to the truth.
        - ``distance_to_music``: from a frame to the nearest training frame. A draw that is not a
          plausible chord is farther from music than the ``truth``. A mean is near to all music.
    """
    windows, valid, test = (Windows(frames, split) for split in ("train", "valid", "test"))
    predict, errors = ridge(windows, valid)
    every = windows.frames()
    music = every[torch.linspace(0, len(every) - 1, min(MUSIC, len(every))).long()]
    figures: dict[str, dict[str, list[Tensor]]] = {
        "energy_score": {},
        "distance_of_mean": {},
        "distance_to_music": {},
    }
    device = device_of(model)
    parts = _chunks(len(test))
    for number, part in enumerate(progress(parts, len(parts), "measure score creator")):
        past, true = test.take(part).split([PAST, NEXT], 1)
        line = predict(past)
        which = uniforms((DRAWS, len(part)), seed, "errors", number) * len(errors)
        noise = normals((DRAWS, *true.shape), seed, "noise", number)
        answers = {
            "repeat_last": past[None, :, -1:].expand(1, -1, NEXT, -1),
            "ridge": line[None],
            "ridge_with_errors": line + errors[which.long()],
            name: torch.stack([model.sample(past.to(device), x.to(device)).cpu() for x in noise]),
        }
        for who, drawn in answers.items():
            figures["energy_score"].setdefault(who, []).append(energy_score(drawn, true))
            figures["distance_of_mean"].setdefault(who, []).append(distance(drawn.mean(0), true))
        firsts = {"truth": true, **{who: drawn[0] for who, drawn in answers.items()}}
        for who, drawn in firsts.items():
            nearest = torch.cdist(drawn.flatten(0, 1), music).amin(1)
            figures["distance_to_music"].setdefault(who, []).append(nearest)
    means = {
        figure: {who: torch.cat(values).mean().item() for who, values in by.items()}
        for figure, by in figures.items()
    }
    return {"windows": len(test), **means}


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Root mean square of the distances of five frames: Tensor[..., 5, size] to Tensor[...]."""
    return (one - other).square().sum(-1).mean(-1).sqrt()


def energy_score(draws: Tensor, true: Tensor) -> Tensor:
    """Compute the energy score of draws; see `compare`.

    Parameters
    ----------
    draws : Tensor[n, B, 5, size]
        A deterministic prediction if n is 1.
    true : Tensor[B, 5, size]

    Returns
    -------
    Tensor[B]
    """
    score = distance(draws, true).mean(0)
    count = len(draws)
    if count > 1:
        pairs = [distance(draws[i], draws[j]) for i in range(count) for j in range(i)]
        score = score - torch.stack(pairs).mean(0) / 2
    return score


def ridge(windows: Windows, valid: Windows) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Fit ridge regression from 40 frames to 5, with the penalty that is best in validation.

    It sees at most the first 64 principal components of each frame.

    Parameters
    ----------
    windows, valid : Windows
        The windows to train on, and those to choose the penalty on.

    Returns
    -------
    callable
        From Tensor[B, 40, size] to Tensor[B, 5, size].
    Tensor[validation windows, 5, size]
        Its errors on the validation windows: truth minus prediction.
    """
    mean, axes = principal_axes(windows.frames(), min(COMPONENTS, windows.size))

    def seen(past: Tensor) -> Tensor:
        rows = ((past - mean) @ axes).flatten(1)
        return torch.cat([rows, rows.new_ones(len(rows), 1)], 1)

    count = PAST * axes.shape[1] + 1
    gram = torch.zeros(count, count)
    product = torch.zeros(count, NEXT * windows.size)
    for part in _chunks(len(windows)):
        past, true = windows.take(part).split([PAST, NEXT], 1)
        inputs = seen(past)
        gram += inputs.T @ inputs
        product += inputs.T @ true.flatten(1)
    unit = gram.diagonal()[:-1].mean()
    best = None
    for penalty in PENALTIES:
        added = torch.full((count,), float(penalty * unit))
        added[-1] = 0
        weights = torch.linalg.solve(gram + torch.diag(added), product)
        found = []
        for part in _chunks(len(valid)):
            past, true = valid.take(part).split([PAST, NEXT], 1)
            found.append(true - (seen(past) @ weights).unflatten(1, (NEXT, -1)))
        errors = torch.cat(found)
        size = distance(errors, torch.zeros_like(errors)).mean()
        if best is None or size < best[0]:
            best = size, weights, errors
    _, weights, errors = best
    return lambda past: (seen(past) @ weights).unflatten(1, (NEXT, -1)), errors


def _chunks(count: int) -> list[np.ndarray]:
    return np.split(np.arange(count), range(CHUNK, count, CHUNK))
