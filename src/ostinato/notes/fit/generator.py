"""Training of the generator."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices, noise
from ostinato.core.errors import UserError
from ostinato.core.models import begin, begins_from, read_model
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task
from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import Batch, held_out
from ostinato.notes.data.songs import Songs
from ostinato.notes.fit.dataset import Data
from ostinato.notes.generator import Generator


def generator_task(params: Params, data: Data) -> Task:
    """Prepare the training of the generator that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    data : Data

    Returns
    -------
    Task

    Raises
    ------
    UserError
        When the training cannot begin from the model that the parameters name.
    """
    settings = params.generator.training
    seed = derive(params.seed, "generator")
    config = config_of(params, data.songs.steps_per_beat)
    device = devices.prepare(params.threads, seed, params.device)
    model = Generator(config).to(device)
    if model.keys == rolls.CLASSES:
        model.sampler.learn_sets(_every_set(data.songs))
    start = Path(params.generator.start)
    begun_from = begins_from(start)
    if begun_from:
        begun, weights = read_model(start)
        for name in ("representation", "steps_per_beat"):
            if begun[name] != config[name]:
                raise UserError(
                    f"generator.start: {start} has {name} {begun[name]}, the dataset {config[name]}"
                )
        begin(model, start, weights)
    past, keys = model.context_length, model.keys
    fragments = data.batches(settings.batch, past, keys, seed, model.sampler.annotate)

    def arguments(batch: Batch, *names: str | int) -> tuple[Batch, Tensor]:
        uniforms = noise.uniforms((*batch.mask.shape, model.num_uniforms), seed, *names)
        return batch, uniforms

    def batch(step: int) -> tuple[Any, ...]:
        return arguments(fragments(step), "draws", step)

    valid = []
    for number, part in enumerate(held_out(data.songs, "valid", past, keys)):
        whole, uniforms = arguments(part, "valid", number)
        valid.append((whole.to(device), uniforms.to(device)))

    @torch.no_grad()
    def validate(part: int) -> tuple[float, float]:
        total, counted = model.eval().losses(*valid[part])
        return (float(total / counted), float(counted)) if counted else (0.0, 0.0)

    return Task(
        what="generator",
        model=model,
        config=config,
        batch=batch,
        validate=validate,
        parts=len(valid),
        weight=lambda arguments: model.counted(arguments[0]).sum(),
        settings=settings,
        seed=seed,
        inputs=data.inputs + begun_from,
        used={"steps": data.steps},
    )


def config_of(params: Params, steps_per_beat: int) -> dict[str, Any]:
    """Make the content of config.json for the generator that the parameters choose."""
    return {
        "kind": "generator",
        "keys": params.generator.keys,
        "representation": params.dataset.representation,
        "steps_per_beat": steps_per_beat,
        "memory": params.config("memory"),
        "sampler": params.config("samplers"),
        "metre": params.generator.metre,
        "repeating": params.repeating if params.generator.repeating else None,
    }


def _every_set(songs: Songs) -> Tensor:
    """List the sets of pitch classes in training songs, in all transpositions: Tensor[N, 12]."""
    notes = [rolls.pitch_classes(songs.roll(i, 0, songs.steps[i])) for i in songs.of("train")]
    sets = np.unique(np.concatenate(notes), axis=0)
    return torch.from_numpy(np.concatenate([np.roll(sets, n, 1) for n in range(rolls.CLASSES)]))
