"""Training of the performer: the decoder and the velocity model."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core import devices, noise, training
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import History, Task
from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import held_out
from ostinato.notes.fit.dataset import Data
from ostinato.notes.performer import Performer, keys_of


def fit_performer(params: Params, data: Data) -> tuple[Performer, dict[str, Any], History, History]:
    """Train the decoder that the parameters choose and, if there is one, the velocity model.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    data : Data
        With velocities.

    Returns
    -------
    Performer
        With its best weights.
    dict
        The content of its config.json.
    History
        That of the decoder; empty without one. Whatever the training loss, the validation loss is
        the negative log-probability of the keys given their pitch classes, in nats per step.
    History
        That of the velocity model; empty without one.
    """
    seed = derive(params.seed, "decoder")
    config = {
        "kind": params.decoder.kind,
        "representation": data.representation,
        "decoder": params.config("decoders"),
        "velocity": _velocity(params, data),
    }
    device = devices.prepare(params.threads, seed, params.device)
    model = Performer(config).to(device)
    decoded: History = []
    struck: History = []
    if params.decoder.kind != "none":
        decoded = training.fit(_decoder_task(model.decoder, params, data, config, seed))
    if model.velocity:
        struck = training.fit(_velocity_task(model.velocity, params, data, config, seed))
    return model, config, decoded, struck


def _velocity(params: Params, data: Data) -> dict[str, Any] | None:
    """Choose a velocity model, as it is written in config.json."""
    kind = params.decoder.velocity
    if kind == "auto":
        songs = data.songs.of("train")
        heard = {int(v) for song in songs for v in np.unique(data.songs.song(song)["velocity"])}
        kind = "dynamics" if len(heard) > 1 else "none"
    return None if kind == "none" else {"name": kind, "hidden": params.velocity.hidden}


def _decoder_task(
    model: nn.Module, params: Params, data: Data, config: dict[str, Any], seed: int
) -> Task:
    settings, past = params.decoder.training, model.context_length
    fragments = data.batches(settings.batch, past, rolls.KEYS, seed)
    device = devices.device_of(model)
    valid = []
    for number, part in enumerate(held_out(data.songs, "valid", past, rolls.KEYS)):
        shape = (*part.mask.shape, model.num_uniforms)
        uniforms = noise.uniforms(shape, seed, "valid", number)
        valid.append((part.to(device), uniforms.to(device)))

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        uniforms = noise.uniforms((*chosen.mask.shape, model.num_uniforms), seed, "draws", step)
        return keys_of(chosen.past), keys_of(chosen.notes), chosen.mask, uniforms

    @torch.no_grad()
    def validate(number: int) -> tuple[float, float]:
        part, uniforms = valid[number]
        state = model.eval().initial(keys_of(part.past))
        log_prob, _ = model.log_prob(keys_of(part.notes), state, uniforms)
        counted = log_prob[(part.mask * log_prob.isfinite()) > 0]
        return (-counted.mean().item(), len(counted)) if len(counted) else (0.0, 0.0)

    return Task(
        what="decoder",
        model=model,
        config=config,
        batch=batch,
        validate=validate,
        parts=len(valid),
        weight=lambda arguments: model.counted(arguments[1], arguments[2]),
        settings=settings,
        seed=seed,
        inputs=data.inputs,
        used={"steps": data.steps},
    )


def _velocity_task(
    model: nn.Module, params: Params, data: Data, config: dict[str, Any], seed: int
) -> Task:
    settings = params.velocity.training
    fragments = data.batches(settings.batch, 1, rolls.KEYS, seed)
    device = devices.device_of(model)
    valid = [part.to(device) for part in held_out(data.songs, "valid", 1, rolls.KEYS)]

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        return chosen.past, chosen.notes, chosen.mask, chosen.positions

    @torch.no_grad()
    def validate(number: int) -> tuple[float, float]:
        part = valid[number]
        loss = model.eval()(part.past, part.notes, part.mask, part.positions)
        return loss.item(), float(_struck(part.notes, part.mask))

    return Task(
        what="velocity",
        model=model,
        config=config,
        batch=batch,
        validate=validate,
        parts=len(valid),
        weight=lambda arguments: _struck(arguments[1], arguments[2]),
        settings=settings,
        seed=seed,
        inputs=data.inputs,
        used={"steps": data.steps},
    )


def _struck(notes: Tensor, mask: Tensor) -> Tensor:
    """Count the keys that are struck."""
    return ((notes > 0) * mask[..., None]).sum()
