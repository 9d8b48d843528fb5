"""Training of the generator."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core import noise, training
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import Batch, held_out
from ostinato.notes.data.songs import Songs
from ostinato.notes.fit import dataset
from ostinato.notes.generator import Generator


def fit_generator(
    params: Params,
    device: str = "cpu",
    told: Callable[[dict[str, float]], None] = lambda row: None,
) -> tuple[Generator, dict[str, Any], list[dict[str, float]]]:
    """Train the generator that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    device : str
        Where it is trained, such as ``"cuda"``. The stages know the processor alone, since other
        devices round differently.
    told : callable
        Is told each row of the history when it is there.

    Returns
    -------
    Generator
        With its best weights, on that device.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.core.training.train`.
    """
    settings = params.generator.training
    seed = derive(params.seed, "generator")
    config = {
        "kind": "generator",
        "keys": params.generator.keys,
        "representation": params.dataset.representation,
        "steps_per_beat": params.dataset.steps_per_beat,
        "memory": params.config("memory"),
        "sampler": params.config("samplers"),
    }
    training.prepare(params.threads, seed)
    model = Generator(config).to(device)
    songs = Songs(dataset.DATASET, params.dataset.representation)
    if hasattr(model.sampler, "learn_sets"):
        model.sampler.learn_sets(_every_set(songs))
    fragments = dataset.batches(params, songs, settings.batch, model.reach, model.keys, seed)

    def arguments(batch: Batch, *names: str | int) -> tuple[Batch, Tensor]:
        uniforms = noise.uniforms((*batch.mask.shape, model.draws), seed, *names)
        return batch.to(device), uniforms.to(device)

    def batch(step: int) -> tuple[Batch, Tensor]:
        torch.manual_seed(derive(seed, "dropout", step))
        return arguments(fragments(step), "draws", step)

    valid = [
        arguments(part, "valid", number)
        for number, part in enumerate(held_out(songs, "valid", model.reach, model.keys))
    ]

    @torch.no_grad()
    def validate() -> float:
        return dataset.mean([(model.eval()(*part).item(), part[0]) for part in valid])

    key = dataset.key(params, config | {"device": device}, settings)
    optimizer = partial(torch.optim.AdamW, weight_decay=settings.weight_decay)
    history = training.train(
        model, batch, validate, settings, key, "generator", optimizer, settings.average, told
    )
    return model, config, history


def _every_set(songs: Songs) -> Tensor:
    """List the sets of pitch classes in the training songs, in each key: Tensor[N, 12]."""
    notes = [rolls.pitch_classes(songs.roll(i, 0, songs.steps[i])) for i in songs.of("train")]
    sets = np.unique(np.concatenate(notes), axis=0)
    return torch.from_numpy(np.concatenate([np.roll(sets, n, 1) for n in range(rolls.CLASSES)]))
