"""What trainings on the dataset of notes have in common."""

from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core import training
from ostinato.core.params import Params
from ostinato.core.schema import Training
from ostinato.notes.data.fragments import Batch, Batches
from ostinato.notes.data.songs import Songs

DATASET = Path("data/dataset")
FRAGMENTS = Path("data/fragments/fragments.npy")


def batches(params: Params, songs: Songs, size: int, past: int, keys: int, seed: int) -> Batches:
    """Make the training batches from the table of fragments.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    songs : Songs
        The dataset.
    size, past, keys, seed
        As for `ostinato.notes.data.fragments.Batches`.
    """
    return Batches(songs, np.load(FRAGMENTS), size, params.augment.steps, past, keys, seed)


def mean(losses: list[tuple[float, Batch]]) -> float:
    """Average losses of batches, each weighted by the steps that its songs have."""
    weights = [float(batch.mask.sum()) for _, batch in losses]
    total = sum(loss * weight for (loss, _), weight in zip(losses, weights, strict=True))
    return total / sum(weights)


def key(params: Params, config: dict[str, Any], settings: Training) -> str:
    """Fingerprint a training.

    Parameters
    ----------
    params : Params
        The whole of params.yaml; what every training uses is taken from it.
    config : dict
        Of the model.
    settings : Training
        Of the training.
    """
    used = {
        "seed": params.seed,
        "threads": params.threads,
        "augment": params.augment,
        "config": config,
        "training": settings,
    }
    return training.fingerprint(used, [DATASET / "notes.npy", DATASET / "songs.csv", FRAGMENTS])
