"""Training of the decoder, and of the velocities beside it."""

from typing import Any

import torch
from torch import nn

from ostinato.core import noise, training
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import held_out
from ostinato.notes.data.songs import Songs
from ostinato.notes.fit import dataset
from ostinato.notes.performer import Performer, keys_of

History = list[dict[str, float]]


def fit_decoder(params: Params) -> tuple[Performer, dict[str, Any], History, History]:
    """Train the decoder that the parameters choose, and the velocities if they are wanted.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.

    Returns
    -------
    Performer
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        The decoder's history, as from `ostinato.core.training.train`, with the negative
        log-probability of the keys given their pitch classes, in nats a step, as validation
        loss, whatever is minimised; empty without a decoder.
    list of dict
        That of the velocities; empty without them.
    """
    seed = derive(params.seed, "decoder")
    config = {
        "kind": params.decoder.kind,
        "representation": params.dataset.representation,
        "decoder": params.config("decoders"),
        "velocity": {"hidden": params.velocity.hidden} if params.decoder.velocity else None,
    }
    training.prepare(params.threads, seed)
    model = Performer(config)
    songs = Songs(dataset.DATASET, params.dataset.representation, velocities=True)
    decoded: History = []
    struck: History = []
    if params.decoder.kind != "none":
        decoded = _fit_keys(model.decoder, params, songs, config, seed)
    if model.velocity:
        struck = _fit_velocities(model.velocity, params, songs, config, seed)
    return model, config, decoded, struck


def _fit_keys(
    model: nn.Module, params: Params, songs: Songs, config: dict[str, Any], seed: int
) -> History:
    settings = params.decoder.training
    fragments = dataset.batches(params, songs, settings.batch, model.reach, rolls.KEYS, seed)
    valid = [
        (part, noise.uniforms((*part.mask.shape, model.draws), seed, "valid", number))
        for number, part in enumerate(held_out(songs, "valid", model.reach, rolls.KEYS))
    ]

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        uniforms = noise.uniforms((*chosen.mask.shape, model.draws), seed, "draws", step)
        return keys_of(chosen.past), keys_of(chosen.notes), chosen.mask, uniforms

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        losses = []
        for part, uniforms in valid:
            state = model.initial(keys_of(part.past))
            log_prob, _ = model.log_prob(keys_of(part.notes), state, uniforms)
            counted = (part.mask * log_prob.isfinite()) > 0
            losses.append((-log_prob[counted].mean().item(), part))
        return dataset.mean(losses)

    key = dataset.key(params, config, settings)
    return training.train(model, batch, validate, settings, key, "decoder")


def _fit_velocities(
    model: nn.Module, params: Params, songs: Songs, config: dict[str, Any], seed: int
) -> History:
    settings = params.velocity.training
    fragments = dataset.batches(params, songs, settings.batch, 1, rolls.KEYS, seed)
    valid = list(held_out(songs, "valid", 1, rolls.KEYS))

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        return chosen.past, chosen.notes, chosen.mask

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        return dataset.mean([(model(p.past, p.notes, p.mask).item(), p) for p in valid])

    key = dataset.key(params, {"velocities": config}, settings)
    return training.train(model, batch, validate, settings, key, "velocity")
