"""Training of the score creator, and what it is measured against."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato import score_creators, training
from ostinato.audio.frames import Windows
from ostinato.params import Params
from ostinato.score_creators import NEXT, NOISE, PAST, ScoreCreator, distance
from ostinato.seeds import derive

FRAMES = Path("data/frames")
VALID_WINDOWS = 2048
CHUNK = 512
DRAWS = 8
"""Draws of each window when score creators are compared."""
PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Of ridge regression, in units of the mean square of a number times the number of windows."""


def normals(shape: tuple[int, ...], seed: int, *names: str | int) -> Tensor:
    """Draw normally distributed numbers, a function of the seed and the names alone."""
    generator = torch.Generator().manual_seed(derive(seed, *names))
    return torch.randn(shape, generator=generator)


def fit_score_creator(
    params: Params,
) -> tuple[ScoreCreator, dict[str, Any], list[dict[str, float]]]:
    """Train the score creator that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.

    Returns
    -------
    ScoreCreator
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.training.train`.
    """
    settings = params.score_creator.training
    seed = derive(params.seed, "score_creator")
    windows, valid = Windows(FRAMES, "train"), Windows(FRAMES, "valid")
    config = {
        "kind": "score_creator",
        "size": windows.size,
        "score_creator": params.config("score_creators"),
    }
    training.prepare(params.threads, seed)
    model = score_creators.build(config["score_creator"], windows.size)
    mean, spread = windows.moments()
    model.mean.copy_(mean)
    model.spread.copy_(spread)
    chosen = np.linspace(0, len(valid) - 1, min(VALID_WINDOWS, len(valid))).astype(np.int64)

    def batch(step: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(derive(seed, "batch", step))
        # What is random inside the network, too, depends on the step's number alone.
        torch.manual_seed(derive(seed, "dropout", step))
        noise = normals((2, settings.batch, NOISE), seed, "noise", step)
        return windows.take(rng.integers(len(windows), size=settings.batch)), noise

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        total = 0.0
        for number, part in enumerate(np.split(chosen, range(CHUNK, len(chosen), CHUNK))):
            noise = normals((2, len(part), NOISE), seed, "valid", number)
            total += model(valid.take(part), noise).item() * len(part)
        return total / len(chosen)

    key = training.fingerprint(
        {"seed": params.seed, "threads": params.threads, "config": config, "training": settings},
        [FRAMES / "frames.npy", FRAMES / "songs.csv"],
    )
    history = training.train(model, batch, validate, settings, key, "score creator")
    return model.eval(), config, history


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
        ``energy_score`` of the model and of the yardsticks, in the unit of the numbers: distance
        to the truth less half the distance of two draws. ``repeat_last`` and ``ridge`` always say
        the same, so theirs is their distance; ``ridge_with_spread`` draws around ridge regression
        with the covariance of its residuals. ``distance_of_mean``: of the mean of the draws.
    """
    test = Windows(FRAMES, "test")
    weights, covariance = ridge()
    lower = torch.linalg.cholesky(covariance)
    scores: dict[str, list[Tensor]] = {}
    means: dict[str, list[Tensor]] = {}
    every = np.arange(len(test))
    for number, part in enumerate(np.split(every, range(CHUNK, len(every), CHUNK))):
        window = test.take(part)
        past, true = window.split([PAST, NEXT], 1)
        line = _predict(weights, past)
        spread = normals((DRAWS, len(part), len(lower)), seed, "spread", number) @ lower.T
        noise = normals((DRAWS, len(part), NOISE), seed, "noise", number)
        answers = {
            "repeat_last": past[None, :, -1:].expand(1, -1, NEXT, -1),
            "ridge": line[None],
            "ridge_with_spread": line + spread.unflatten(2, (NEXT, -1)),
            name: torch.stack([model.sample(past, one) for one in noise]),
        }
        for who, drawn in answers.items():
            scores.setdefault(who, []).append(energy_score(drawn, true))
            means.setdefault(who, []).append(distance(drawn.mean(0), true))
    return {
        "windows": len(test),
        "energy_score": {who: torch.cat(s).mean().item() for who, s in scores.items()},
        "distance_of_mean": {who: torch.cat(s).mean().item() for who, s in means.items()},
    }


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


def ridge() -> tuple[Tensor, Tensor]:
    """Ridge regression from 40 frames to 5, the penalty chosen on the validation windows.

    Returns
    -------
    Tensor[40 * size + 1, 5 * size]
        Weights; the last row is what is added.
    Tensor[5 * size, 5 * size]
        Covariance of its residuals on the validation windows.
    """
    windows, valid = Windows(FRAMES, "train"), Windows(FRAMES, "valid")
    count = PAST * windows.size + 1
    gram = torch.zeros(count, count)
    product = torch.zeros(count, NEXT * windows.size)
    for part in _chunks(len(windows)):
        inputs, outputs = _matrices(windows.take(part))
        gram += inputs.T @ inputs
        product += inputs.T @ outputs
    unit = gram.diagonal()[:-1].mean()
    best = None
    for penalty in PENALTIES:
        added = torch.full((count,), float(penalty * unit))
        added[-1] = 0
        weights = torch.linalg.solve(gram + torch.diag(added), product)
        residuals = torch.cat(
            [
                outputs - inputs @ weights
                for inputs, outputs in (_matrices(valid.take(part)) for part in _chunks(len(valid)))
            ]
        )
        error = residuals.unflatten(1, (NEXT, -1)).square().sum(-1).mean(-1).sqrt().mean()
        if best is None or error < best[0]:
            best = error, weights, residuals
    _, weights, residuals = best
    covariance = residuals.T @ residuals / len(residuals)
    covariance += 1e-4 * covariance.diagonal().mean() * torch.eye(len(covariance))
    return weights, covariance


def _chunks(count: int) -> list[np.ndarray]:
    return np.split(np.arange(count), range(CHUNK, count, CHUNK))


def _matrices(windows: Tensor) -> tuple[Tensor, Tensor]:
    past, true = windows.split([PAST, NEXT], 1)
    return _with_ones(past.flatten(1)), true.flatten(1)


def _with_ones(rows: Tensor) -> Tensor:
    """Append a column of ones."""
    return torch.cat([rows, rows.new_ones(len(rows), 1)], 1)


def _predict(weights: Tensor, past: Tensor) -> Tensor:
    return (_with_ones(past.flatten(1)) @ weights).unflatten(1, (NEXT, -1))
