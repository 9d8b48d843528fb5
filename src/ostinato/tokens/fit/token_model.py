"""Training a token model."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices
from ostinato.core.errors import UserError
from ostinato.core.models import begin, begins_from, read_model
from ostinato.core.params import Params
from ostinato.core.seeds import derive
from ostinato.core.training import Task, count
from ostinato.tokens.batches import bits, pad, padded_batches
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.data.windows import Windows
from ostinato.tokens.model import Classifier, NextToken

MAX_VALIDATED = 200_000
"""The most tokens of the validation stream that each validation reads."""


def token_model_task(params: Params, vocabulary: str, data: Path) -> Task:
    """Prepare the training of a vocabulary's model.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    vocabulary : str
        ``"chords"``, ``"letters"`` or ``"events"``.
    data : Path
        The folder of its streams.

    Returns
    -------
    Task
        Its model is a Classifier if the pieces have labels, otherwise a NextToken.

    Raises
    ------
    UserError
        When there are not more training tokens than a window has, or when the training cannot begin
        from the model that the parameters name.
    """
    chosen = getattr(params.token_model, vocabulary)
    seed = derive(params.seed, "token_model", vocabulary)
    streams = Streams(data)
    settings = chosen.model_dump(exclude={"training", "start"})
    config = {"kind": "token_model", **settings, "data": streams.config}
    device = devices.prepare(params.threads, seed, params.device)
    if streams.labels:
        model: NextToken | Classifier = Classifier(config)
        examples: _Windows | _Pieces = _Pieces(model, streams, chosen.training.batch, seed)
    else:
        tokens = sum(map(len, streams.pieces("train")))
        if tokens <= chosen.window:
            raise UserError(
                f"tokens.{vocabulary}: {tokens} tokens to learn from; there have to be more than "
                f"token_model.{vocabulary}.window ({chosen.window})"
            )
        model = NextToken(config)
        examples = _Windows(model, streams, chosen.training.batch, seed)
    start = Path(chosen.start)
    begun_from = begins_from(start)
    if begun_from:
        _begin(model, start)
    model.to(device)
    return Task(
        what=f"token model, {vocabulary}",
        model=model,
        config=config,
        batch=examples.batch,
        validate=examples.validate,
        parts=examples.parts,
        weight=examples.weight,
        settings=chosen.training,
        seed=seed,
        inputs=sorted(data.iterdir()) + begun_from,
    )


def _begin(model: NextToken | Classifier, folder: Path) -> None:
    """Give a model the weights of another; what belongs to a class goes by its name."""
    config, weights = read_model(folder)
    if config["input"] != "embedding" or model.network.inputs.kind != "embedding":
        raise UserError(f"{folder}: training can only begin from a model with input: embedding")
    number_of = {name: number for number, name in enumerate(config["data"]["names"])}
    own = model.state_dict()
    rows = ["network.inputs.embedding.weight"]
    if isinstance(model, NextToken) and config["data"]["labelling"] is None:
        rows += ["output.weight", "output.bias"]
    else:
        weights |= {name: own[name] for name in ("output.weight", "output.bias")}
    here = [place for place, name in enumerate(model.data["names"]) if name in number_of]
    there = [number_of[model.data["names"][place]] for place in here]
    for name in rows:
        moved = own[name].clone()
        if moved.shape[1:] == weights[name].shape[1:]:  # otherwise `begin` says what differs
            moved[here] = weights[name][there].to(moved.dtype)
            weights[name] = moved
    begin(model, folder, weights)


class _Windows:
    """Examples for predicting the next token: windows of the training stream, equally probable."""

    def __init__(self, model: NextToken, streams: Streams, size: int, seed: int):
        self.model, self.size, self.seed = model, size, seed
        self.windows = Windows(streams, model.window)
        self.num_shifts = len(streams.shifts)
        self.valid, self.parts = streams["valid"][:MAX_VALIDATED], 1

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(derive(self.seed, "batch", step))
        numbers = rng.integers(len(self.windows), size=self.size)
        shifts = rng.integers(self.num_shifts, size=self.size)
        tokens, lengths = self.windows.cut(numbers, shifts)
        return torch.from_numpy(tokens), torch.from_numpy(lengths)

    def weight(self, arguments: tuple[Tensor, Tensor]) -> Tensor:
        return arguments[1].sum()

    def validate(self, part: int) -> tuple[float, float]:
        return float(bits(self.model.eval(), self.valid).mean()), 1


class _Pieces:
    """Examples for classification: windows of random pieces, which are equally probable."""

    def __init__(self, model: Classifier, streams: Streams, size: int, seed: int):
        self.model, self.streams, self.size, self.seed = model, streams, size, seed
        self.pieces, self.targets = streams.pieces("train"), streams.targets("train")
        pieces = list(padded_batches(streams.pieces("valid"), model.width))
        sizes = [len(tokens) for tokens, _ in pieces]
        targets = torch.from_numpy(streams.targets("valid")).split(sizes)
        self.valid = [(*each, labels) for each, labels in zip(pieces, targets, strict=True)]
        self.parts = len(self.valid)

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng(derive(self.seed, "batch", step))
        chosen = rng.integers(len(self.pieces), size=self.size)
        window = self.model.window
        windows = [
            piece[rng.integers(max(len(piece) - window, 0) + 1) :][:window]
            for piece in map(self.pieces.__getitem__, chosen)
        ]
        shifts = rng.integers(len(self.streams.shifts), size=self.size)
        moved = [self.streams.transpose(*each) for each in zip(windows, shifts, strict=True)]
        return *pad(moved), torch.from_numpy(self.targets[chosen])

    @torch.no_grad()
    def validate(self, part: int) -> tuple[float, float]:
        model, device = self.model.eval(), devices.device_of(self.model)
        tokens, lengths, labels = (each.to(device) for each in self.valid[part])
        return model(tokens, lengths, labels).item(), len(tokens)

    def weight(self, arguments: tuple[Tensor, Tensor, Tensor]) -> float:
        return count(arguments)
