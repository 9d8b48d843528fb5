"""Transcription: which notes sound in a piece, and when they start.

The same small network looks for every key. It sees the spectrum at the key and at multiples of its
frequency (harmonic stacking, Bittner et al., ICASSP 2022), what is near in time, and what it has
found at neighbouring keys and an octave away. As in Onsets and Frames (Hawthorne et al., ISMIR
2018), it says apart where a note starts and where it is held.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core.models import load_weights, read_model
from ostinato.scores.performance import PLAYED
from ostinato.scores.wav import RATE
from ostinato.sound.parts.bands import PER_SEMITONE, Bands
from ostinato.sound.parts.tuning import top

HOP = 1225
"""Samples from one answer to the next: 28 ms, nine in a frame of the autoencoder."""
LOWEST, KEYS = 21, 88
MULTIPLES = 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10
"""Where a key is looked for, as multiples of its frequency. Half of it tells a tone from the second
harmonic of another."""
NEAR = -1, 0, 1
"""Bands that are seen around each of them."""
OCTAVE = 12
STARTS, HELD = 0, 1
THRESHOLD = 0.4
"""The least probability of a start, and of a note that is held."""
APART = 3
"""Starts of the same key that are less far apart, in hops, are one."""
STRETCH, AROUND = 720, 20
"""Answers that are computed at a time, 20 s, and on each side those that they depend on. A tuning
is that of a stretch."""
MIDDLE, SPREAD = -5.0, 2.0
"""About the mean and the standard deviation of levels of music."""


class Transcriber(nn.Module):
    """Finds notes; see the docstring of the module.

    Parameters
    ----------
    channels : int
        Of the layers.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.bands = Bands(HOP, LOWEST, KEYS)
        multiples = torch.tensor([round(12 * PER_SEMITONE * math.log2(m)) for m in MULTIPLES])
        places = 1 + PER_SEMITONE * torch.arange(KEYS)[:, None, None]
        places = places + multiples[:, None] + torch.tensor(NEAR)
        there = (places >= 0) & (places < self.bands.count)
        self.register_buffer("places", places.clamp(0, self.bands.count - 1), persistent=False)
        self.register_buffer("there", there, persistent=False)
        self.first = nn.Conv2d(2 * len(MULTIPLES) * len(NEAR), channels, 1)
        self.key = nn.Parameter(torch.zeros(channels, 1, KEYS))
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(channels, channels, (5, 3), padding=(2, 1)),
                nn.Conv2d(channels, channels, (5, 3), padding=(2, OCTAVE), dilation=(1, OCTAVE)),
                nn.Conv2d(channels, channels, (5, 3), padding=(2, 1)),
                nn.Conv2d(channels, channels, (7, 1), padding=(3, 0)),
            ]
        )
        self.last = nn.Conv2d(channels, 2, 1)
        nn.init.constant_(self.last.bias, -4.0)  # most keys are silent most of the time

    def forward(self, samples: Tensor, true: Tensor, weight: Tensor) -> Tensor:
        """Compute the loss: the cross-entropy of an answer, summed over keys, in nats.

        Parameters
        ----------
        samples : Tensor[B, S]
            One channel.
        true : Tensor[B, S // HOP + 1, 88, 2]
            In [0, 1]: whether a note starts, and whether it is held.
        weight : Tensor[B, S // HOP + 1, 88, 2]
            How much each of them counts.

        Returns
        -------
        Tensor[]
        """
        found = nn.functional.binary_cross_entropy_with_logits(
            self.logits(samples), true, weight, reduction="sum"
        )
        return found / true[..., 0, 0].numel()

    def logits(self, samples: Tensor, tuned: bool = False) -> Tensor:
        """Answer for each key: Tensor[B, S] to Tensor[B, S // HOP + 1, 88, 2]; see `Bands`."""
        levels = (self.bands(samples, tuned) - MIDDLE) / SPREAD
        seen = levels[..., self.places.flatten()].unflatten(-1, self.places.shape) * self.there
        hidden = seen.movedim(3, -1).flatten(2, 4).movedim(2, 1)
        hidden = nn.functional.gelu(self.first(hidden) + self.key)
        for layer in self.layers:
            hidden = hidden + nn.functional.gelu(layer(hidden))
        return self.last(hidden).movedim(1, -1)

    @torch.no_grad()
    def transcribe(self, parts: Iterable[Tensor]) -> np.ndarray:
        """Find the notes of a piece.

        Parameters
        ----------
        parts : iterable of Tensor[2, n]
            The sound, in one part or in several, of any length.

        Returns
        -------
        ndarray[PLAYED]
            In order of their starts, in whole milliseconds; all with program 0.
        """
        sound, begin, first, found = self.key.new_zeros(0), 0, 0, []

        def answer(count: int) -> None:
            seen = sound[: (first - begin + count + AROUND) * HOP]
            answers = self.logits(seen[None], tuned=True)[0].sigmoid()
            # Half precision, since an hour has 130,000 of them.
            found.append(answers[first - begin :][:count].half().cpu().numpy())

        for part in parts:
            for some in part.split(STRETCH * HOP, 1):
                sound = torch.cat([sound, some.to(sound).mean(0)])
                if len(sound) >= (first - begin + STRETCH + AROUND) * HOP:
                    answer(STRETCH)
                    past = first + STRETCH - AROUND - begin
                    sound, begin, first = sound[past * HOP :], begin + past, first + STRETCH
        answer(len(sound) // HOP + 1)
        return _notes(np.concatenate(found))


def _notes(answers: np.ndarray) -> np.ndarray:
    """Find notes in probabilities, ndarray[T, 88, 2]: ndarray[PLAYED]."""
    rows = []
    for key in range(KEYS):
        starts, held = (answers[:, key, what].astype(np.float64) for what in (STARTS, HELD))
        padded = np.pad(starts, 1)
        before, after = padded[:-2], padded[2:]
        own: list[int] = []
        for time in np.flatnonzero((starts > THRESHOLD) & (starts >= before) & (starts > after)):
            if own and time - own[-1] < APART:
                own[-1] = max(own[-1], int(time), key=lambda each: starts[each])
            else:
                own.append(int(time))
        silent = np.append(np.flatnonzero(held <= THRESHOLD), len(held))
        for time, following in pairwise([*own, len(held)]):
            end = min(int(silent[np.searchsorted(silent, time + 1)]), following)
            start = (time + top(before[time], starts[time], after[time])) * HOP / RATE
            rows.append((round(start, 3), round(end * HOP / RATE, 3), LOWEST + key, 0))
    return np.sort(np.array(rows, PLAYED), order=("start", "pitch"))


def load(folder: Path) -> Transcriber:
    """Load a trained transcriber from its folder, in evaluation mode."""
    config, weights = read_model(folder)
    model = Transcriber(config["channels"])
    load_weights(model, weights, folder)
    return model.eval()
