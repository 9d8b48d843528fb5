"""Training of the decoder, and of the velocities beside it."""

from typing import Any

import torch

from ostinato import rolls, training
from ostinato.fit import dataset
from ostinato.fragments import held_out
from ostinato.params import Params
from ostinato.performer import Performer
from ostinato.seeds import derive
from ostinato.songs import Songs


def fit_decoder(params: Params) -> tuple[Performer, dict[str, Any], list[dict[str, float]]]:
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
        Its history, as from `ostinato.training.train`; empty where there is nothing to train.
    """
    settings = params.decoder.training
    seed = derive(params.seed, "decoder")
    config = {
        "kind": params.decoder.kind,
        "representation": params.dataset.representation,
        "decoder": params.config("decoders"),
        "velocity": params.velocity.model_dump() if params.decoder.velocity else None,
    }
    training.prepare(params.threads, seed)
    model = Performer(config)
    if not list(model.parameters()):
        return model, config, []
    songs = Songs(dataset.DATASET, params.dataset.representation, velocities=True)
    reach, draws = model.reach, model.draws
    fragments = dataset.batches(params, songs, settings.batch, reach, rolls.KEYS, seed)
    valid = [
        (part, training.uniforms((*part.mask.shape, draws), seed, "valid", number))
        for number, part in enumerate(held_out(songs, "valid", reach, rolls.KEYS))
    ]

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        return chosen, training.uniforms((*chosen.mask.shape, draws), seed, "draws", step)

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        return dataset.mean([(model.validation(*part).item(), part[0]) for part in valid])

    key = dataset.key(params, config, settings)
    history = training.train(model, batch, validate, settings, key, "decoder")
    return model, config, history
