"""Figures of a score creator on pieces that it never heard, and of its yardsticks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core.noise import normals, uniforms
from ostinato.core.progress import progress
from ostinato.sound.data.frames import NEXT, PAST, Windows
from ostinato.sound.fit.score_creator import CHUNK, FRAMES
from ostinato.sound.parts.principal import principal_axes
from ostinato.sound.score_creators import ScoreCreator

DRAWS = 8
"""Draws of each window."""
COMPONENTS = 64
"""Numbers of a frame that ridge regression sees at most."""
MUSIC = 50_000
"""Training frames among which the nearest one is looked for, at most."""
PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Of ridge regression, in units of the mean square of a number times the number of windows."""


def compare(model: ScoreCreator, name: str, seed: int) -> dict[str, Any]:
    """Compare a score creator with its yardsticks on the test windows.

    Parameters
    ----------
    model : ScoreCreator
        Trained.
    name : str
        What to call it.
    seed : int
        Decides them.

    Returns
    -------
    dict
        In the unit of the numbers. ``energy_score`` of the model and of the yardsticks: distance
        to the truth less half the distance of two draws. ``repeat_last`` and ``ridge`` always say
        the same, so theirs is their distance; ``ridge_with_errors`` adds to ridge regression
        one of the errors that it makes on the validation windows, drawn at random.
        ``distance_of_mean``: of the mean of the draws.
        ``distance_to_music``: of a frame from the nearest one of all training pieces; a draw that
        is no chord is farther from music than the ``truth`` is. A mean is near to all music.
    """
    windows, test = Windows(FRAMES, "train"), Windows(FRAMES, "test")
    predict, errors = ridge()
    frames = windows.frames()
    music = frames[torch.linspace(0, len(frames) - 1, min(MUSIC, len(frames))).long()]
    figures: dict[str, dict[str, list[Tensor]]] = {
        "energy_score": {},
        "distance_of_mean": {},
        "distance_to_music": {},
    }
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
            name: torch.stack([model.sample(past, one) for one in noise]),
        }
        for who, drawn in answers.items():
            figures["energy_score"].setdefault(who, []).append(energy_score(drawn, true))
            figures["distance_of_mean"].setdefault(who, []).append(distance(drawn.mean(0), true))
        for who, frames in {"truth": true, **{w: drawn[0] for w, drawn in answers.items()}}.items():
            nearest = torch.cdist(frames.flatten(0, 1), music).amin(1)
            figures["distance_to_music"].setdefault(who, []).append(nearest)
    means = {
        figure: {who: torch.cat(values).mean().item() for who, values in by.items()}
        for figure, by in figures.items()
    }
    return {"windows": len(test), **means}


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Distance of frames, root of the mean over the five: Tensor[..., 5, size] to Tensor[...]."""
    return (one - other).square().sum(-1).mean(-1).sqrt()


def energy_score(draws: Tensor, true: Tensor) -> Tensor:
    """Energy score of draws.

    Parameters
    ----------
    draws : Tensor[n, B, 5, size]
        With n = 1, something that always says the same.
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


def ridge() -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Ridge regression from 40 frames to 5, the penalty chosen on the validation windows.

    From frames of many numbers it sees their first 64 principal components.

    Returns
    -------
    callable
        From Tensor[B, 40, size] to Tensor[B, 5, size].
    Tensor[validation windows, 5, size]
        What is missing to the truth there.
    """
    windows, valid = Windows(FRAMES, "train"), Windows(FRAMES, "valid")
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
        missing = []
        for part in _chunks(len(valid)):
            past, true = valid.take(part).split([PAST, NEXT], 1)
            missing.append(true - (seen(past) @ weights).unflatten(1, (NEXT, -1)))
        errors = torch.cat(missing)
        size = distance(errors, torch.zeros_like(errors)).mean()
        if best is None or size < best[0]:
            best = size, weights, errors
    _, weights, errors = best
    return lambda past: (seen(past) @ weights).unflatten(1, (NEXT, -1)), errors


def _chunks(count: int) -> list[np.ndarray]:
    return np.split(np.arange(count), range(CHUNK, count, CHUNK))
