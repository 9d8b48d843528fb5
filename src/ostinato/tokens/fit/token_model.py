"""Training of a token model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core import training
from ostinato.core.errors import UserError
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.tokens.batches import in_turn, padded
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import Classifier, NextToken, bits

VALIDATED = 200_000
"""Tokens of the validation stream that are read at a validation, at the most."""

OPTIMIZERS = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


def folder_of(vocabulary: str) -> Path:
    """Where the streams of a vocabulary lie."""
    return Path("data/tokens") / vocabulary


def fit_token_model(
    params: Params, vocabulary: str
) -> tuple[NextToken | Classifier, dict[str, Any], list[dict[str, float]]]:
    """Train the model of a vocabulary.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    vocabulary : str
        ``"chords"`` or ``"letters"``.

    Returns
    -------
    NextToken or Classifier
        With its best weights.
    dict
        The content of its config.json.
    list of dict
        Its history, as from `ostinato.core.training.train`.

    Raises
    ------
    UserError
        When there are fewer tokens than a window has.
    """
    chosen = getattr(params.token_model, vocabulary)
    streams = Streams(folder_of(vocabulary))
    seed = derive(params.seed, "token_model", vocabulary)
    reader = chosen.model_dump(exclude={"optimizer", "training"})
    config = {"kind": "token_model", **reader, "data": streams.about}
    training.prepare(params.threads, seed)
    if streams.labels:
        model = Classifier(config)
        source: _Windows | _Pieces = _Pieces(streams, chosen.window, chosen.training.batch, seed)
    else:
        model = NextToken(config)
        source = _Windows(streams, chosen.window, chosen.training.batch, seed)
        tokens = sum(map(len, streams.pieces("train")))
        if tokens <= chosen.window:
            raise UserError(
                f"tokens.{vocabulary}: {tokens} tokens to learn from; there have to be more than "
                f"token_model.{vocabulary}.window ({chosen.window})"
            )

    def batch(step: int) -> tuple[Any, ...]:
        # What is random inside the network, too, depends on the step's number alone.
        torch.manual_seed(derive(seed, "dropout", step))
        return source.batch(step)

    def validate() -> float:
        return source.validate(model.eval())

    key = training.fingerprint(
        {"seed": params.seed, "threads": params.threads, "config": config, "settings": chosen},
        sorted(folder_of(vocabulary).iterdir()),
    )
    optimizer = OPTIMIZERS[chosen.optimizer]
    what = f"token model, {vocabulary}"
    history = training.train(model, batch, validate, chosen.training, key, what, optimizer)
    return model.eval(), config, history


class _Windows:
    """Windows of the training stream, each as likely as any other."""

    def __init__(self, streams: Streams, window: int, size: int, seed: int):
        self.streams, self.window, self.size, self.seed = streams, window, size, seed
        self.valid = streams["valid"][:VALIDATED]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(derive(self.seed, "batch", step))
        numbers = rng.integers(self.streams.windows_of(self.window), size=self.size)
        shifts = rng.integers(len(self.streams.shifts), size=self.size)
        tokens, lengths = self.streams.windows(numbers, shifts, self.window)
        return torch.from_numpy(tokens), torch.from_numpy(lengths)

    def validate(self, model: NextToken) -> float:
        return float(bits(model, self.valid).mean())


class _Pieces:
    """Windows of pieces, each piece as likely as any other, and what they are called."""

    def __init__(self, streams: Streams, window: int, size: int, seed: int):
        self.streams, self.window, self.size, self.seed = streams, window, size, seed
        self.pieces, self.targets = streams.pieces("train"), streams.targets("train")
        self.valid = streams.pieces("valid"), streams.targets("valid")

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng(derive(self.seed, "batch", step))
        chosen = rng.integers(len(self.pieces), size=self.size)
        windows = [
            piece[rng.integers(max(len(piece) - self.window, 0) + 1) :][: self.window]
            for piece in map(self.pieces.__getitem__, chosen)
        ]
        shifts = rng.integers(len(self.streams.shifts), size=self.size)
        moved = [self.streams.transposed(*each) for each in zip(windows, shifts, strict=True)]
        return *padded(moved), torch.from_numpy(self.targets[chosen])

    @torch.no_grad()
    def validate(self, model: Classifier) -> float:
        pieces, targets = self.valid
        total, first = 0.0, 0
        for tokens, lengths in in_turn(pieces, model.width):
            last = first + len(tokens)
            labels = torch.from_numpy(targets[first:last])
            total += model(tokens, lengths, labels).item() * len(tokens)
            first = last
        return total / len(pieces)
