"""Training of the decoder."""

from typing import Any

import torch
from torch import nn

from ostinato import decoders, rolls, training
from ostinato.fit import dataset
from ostinato.fragments import held_out
from ostinato.params import Params
from ostinato.seeds import derive
from ostinato.songs import Songs


def fit_decoder(params: Params) -> tuple[nn.Module, dict[str, Any], list[dict[str, float]]]:
    """Train the decoder that the parameters choose.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.

    Returns
    -------
    nn.Module
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.training.train`.
    """
    settings = params.decoder.training
    seed = derive(params.seed, "decoder")
    config = {"kind": "decoder", "decoder": params.config("decoders")}
    training.prepare(params.threads, seed)
    model = decoders.build(config["decoder"])
    songs = Songs(dataset.DATASET)
    fragments = dataset.batches(params, songs, settings.batch, 1, rolls.KEYS, seed)
    valid = list(held_out(songs, "valid", 1, rolls.KEYS))

    def batch(step: int) -> tuple[Any, ...]:
        chosen = fragments(step)
        return chosen.past, chosen.notes, chosen.mask

    @torch.no_grad()
    def validate() -> float:
        model.eval()
        return dataset.mean([(model(p.past, p.notes, p.mask).item(), p) for p in valid])

    key = dataset.key(params, config, settings)
    history = training.train(model, batch, validate, settings, key, "decoder")
    return model, config, history
