"""A baseline of harmonising: a network that fills in masked notes, and Gibbs sampling.

After Huang, Cooijmans, Roberts, Courville and Eck (2017), "Counterpoint by convolution"
(arXiv:1903.07227): a chorale is four voices by pitches by sixteenths. A convolutional network is
trained to complete it where some of it is masked, and writes by masking and completing again and
again, less and less of it (Yao and others 2014, arXiv:1409.0585). The network is smaller than the
paper's, and sees as far along pitch and along time by dilated convolutions.
"""

from pathlib import Path

import numpy as np
import torch
from kept import trained
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import noise
from ostinato.core.categorical import draw_at
from ostinato.core.schema import Training
from ostinato.core.seeds import derive
from ostinato.core.training import Task

VOICES = 4
LOWEST, PITCHES = 33, 56
"""The lowest MIDI pitch and the number of pitches that voices sing; class 0 is a rest."""
FILTERS = 48
DILATIONS = (1, 1), (2, 1), (4, 2), (8, 2), (12, 4), (1, 4), (2, 8), (4, 8), (8, 1), (12, 1)
"""Along pitch and along time, of the layers. All voices are seen: they cover 54 semitones."""
PARTS = 16
"""Crops of each validation chorale that are validated, and masked otherwise each time."""
CROP = 64
"""Sixteenths that the network is trained with at a time."""
HIGHEST, LEAST, FALLING = 1.0, 0.02, 0.9
"""The share of notes that a pass masks: that of the first pass and that of the last ones, and the
share of passes over which it falls."""
PASSES = 512
TRAINING = {
    "batch": 16,
    "learning_rate": 2e-3,
    "max_steps": 2000,
    "validate_every": 100,
    "weight_decay": 0.01,
    "precision": "float32",
}
"""What differs from the training of the generator."""


class Masked(nn.Module):
    """The network. Logits of the pitch of each voice at each step, given those not masked."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(2 * VOICES, FILTERS, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(FILTERS),
                nn.ReLU(),
                nn.Conv2d(FILTERS, FILTERS, 3, padding=each, dilation=each),
            )
            for each in DILATIONS
        )
        self.leave = nn.Conv2d(FILTERS, VOICES, 1)
        self.bias = nn.Parameter(torch.zeros(VOICES, 1 + PITCHES, 1))

    def logits(self, sung: Tensor, masked: Tensor) -> Tensor:
        """Tensors [B, V, T] of int64 and of bool to Tensor[B, V, 1 + PITCHES, T]."""
        known = functional.one_hot(sung, 1 + PITCHES).float() * ~masked[..., None]
        hidden = torch.cat([known, masked[..., None].float().expand_as(known)], 1)
        hidden = self.enter(hidden.transpose(2, 3))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return self.leave(hidden) + self.bias

    def forward(self, sung: Tensor, masked: Tensor) -> Tensor:
        """The mean over examples of the mean of what a masked note costs, in nats."""
        each = functional.cross_entropy(
            self.logits(sung, masked).transpose(1, 2), sung, reduction="none"
        )
        return ((each * masked).sum((1, 2)) / masked.sum((1, 2))).mean()


def fitted(
    train: list[np.ndarray], valid: list[np.ndarray], notes: Path, like: Training, seed: int
) -> Masked:
    """Train the network on chorales, ndarray[int64], shape [4, steps], with pitches or 0.

    `notes` is the file that they come from.
    """
    seed = derive(seed, "masked")
    torch.manual_seed(seed)
    model, rng = Masked(), np.random.default_rng(seed)
    held_out = [[_example(rng, voices, 0) for voices in valid] for _ in range(PARTS)]

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(derive(seed, "batch", step))
        songs = rng.integers(len(train), size=TRAINING["batch"])
        examples = [_example(rng, train[song], int(rng.integers(-5, 7))) for song in songs]
        return tuple(map(torch.stack, zip(*examples, strict=True)))

    @torch.no_grad()
    def validate(number: int) -> tuple[float, float]:
        sung, masked = map(torch.stack, zip(*held_out[number], strict=True))
        return model.eval()(sung, masked).item(), len(sung)

    settings = like.model_copy(update=TRAINING)
    config = {"dilations": DILATIONS}
    return trained(Task("masked", model, config, batch, validate, settings, seed, [notes], PARTS))


def _example(rng: np.random.Generator, voices: np.ndarray, shift: int) -> tuple[Tensor, Tensor]:
    """Take a part of a chorale, transposed if its voices can sing that, and mask some of it."""
    first = int(rng.integers(max(voices.shape[1] - CROP, 0) + 1))
    part = np.zeros((VOICES, CROP), np.int64)
    part[:, : voices.shape[1] - first] = voices[:, first : first + CROP]
    moved = classes(np.where(part > 0, part + shift, 0))
    masked = rng.random(part.shape) < rng.random()
    if rng.random() < 0.5:
        masked |= (rng.random(VOICES) < rng.random())[:, None]
    masked[rng.integers(VOICES), rng.integers(CROP)] = True
    return torch.from_numpy(moved), torch.from_numpy(masked)


def classes(pitches: np.ndarray) -> np.ndarray:
    """Turn pitches into classes of the network; too low and too high ones move by octaves."""
    low, high = LOWEST, LOWEST + PITCHES - 1
    inside = np.where(pitches < low, pitches + 12, np.where(pitches > high, pitches - 12, pitches))
    return np.where(pitches > 0, inside - LOWEST + 1, 0)


@torch.inference_mode()
def harmonised(model: Masked, soprano: np.ndarray, temperature: float, seed: int) -> np.ndarray:
    """Write three voices below a soprano.

    Parameters
    ----------
    model : Masked
    soprano : ndarray[int64], shape [steps]
        Pitches; 0 where it rests.
    temperature : float
    seed : int

    Returns
    -------
    ndarray[int64], shape [4, steps]
        Pitches; 0 for rests.
    """
    sung = torch.zeros(1, VOICES, len(soprano), dtype=torch.int64)
    sung[0, 0] = torch.from_numpy(classes(soprano))
    for number in range(PASSES):
        share = max(LEAST, HIGHEST - (HIGHEST - LEAST) * number / (FALLING * PASSES))
        lots = noise.uniforms((2, VOICES, len(soprano)), seed, "masked", number)
        masked = (lots[:1] < share) | (sung < 0)
        masked[:, 0] = False
        logits = model.logits(sung, masked).transpose(2, 3)
        sung = torch.where(masked, draw_at(logits, lots[1:], temperature), sung)
    pitches = torch.where(sung[0] > 0, sung[0] - 1 + LOWEST, 0).numpy()
    pitches[0] = soprano
    return pitches
