"""Chorales of four parts: which part sings which key, as a likelihood of its own.

A frame is four tokens, one for each part: a MIDI pitch, or -1 where the part is silent. A generator
says how likely the set of keys is that sound, and an `Assignment` how likely it is that they are
divided among the parts as they are, given the set and the frame before. Two parts may sing the same
key. The product is the likelihood of the four tokens:

    p(tokens | past) = p(set | past sets) p(tokens | set, tokens of the frame before)
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import noise
from ostinato.notes.data import rolls
from ostinato.notes.data.rolls import CLASSES

PARTS, SILENT = 4, -1
"""Number of parts, and the token of one that is silent."""

WIDEST = 12
"""Larger intervals count as an octave."""

MIDDLE = 60
"""The pitch that heights are counted from, in octaves."""

OPTIONS = PARTS + 1
"""A part sings one of up to four keys, or is silent."""

HIDDEN, RATE, BATCH, EPOCHS = 64, 3e-3, 512, 20
"""Sizes of the network, and of its training."""

RELATIONS = 4
"""A key is below, equal to or above another, or one of them is unknown."""

FEATURES = PARTS * (2 * WIDEST + 2 + 1 + RELATIONS + 2 + PARTS) + 1 + 3 * OPTIONS + 1
"""What the network sees of an option."""


def rolls_of(songs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Turn tokens into frames of 88 keys: [frames, 4] to ndarray[uint8], shape [frames, 88]."""
    found = []
    for tokens in songs:
        roll = np.zeros((len(tokens), rolls.KEYS), np.uint8)
        frame, part = np.nonzero(tokens != SILENT)
        roll[frame, tokens[frame, part] - rolls.LOWEST] = 1
        found.append(roll)
    return found


class Assignment(nn.Module):
    """A distribution over the ways to divide a set of keys among four parts.

    From the first part to the last, a network scores each option: each key of the set, and silence.
    Options that would leave a key to nobody are ruled out, so that the probabilities of all ways to
    sing exactly this set sum to 1.
    """

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(FEATURES, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def forward(self, tokens: Tensor, before: Tensor) -> Tensor:
        """Compute the log-probability of the tokens of frames, given their sets.

        Parameters
        ----------
        tokens, before : Tensor[N, 4] of int64
            The frames, and the frames before them.

        Returns
        -------
        Tensor[N]
            Nats.
        """
        keys = _keys(tokens)
        nats = torch.zeros(len(tokens))
        taken = torch.zeros(keys.shape, dtype=torch.bool)
        for part in range(PARTS):
            features, allowed = _options(keys, taken, tokens, before, part)
            scores = self.score(functional.silu(self.hidden(features)))[..., 0]
            log_probs = scores.masked_fill(~allowed, -torch.inf).log_softmax(-1)
            chosen = keys == tokens[:, part : part + 1]
            place = torch.where(chosen.any(-1), chosen.int().argmax(-1), PARTS)
            nats = nats + log_probs.gather(-1, place[:, None])[:, 0]
            taken = taken | chosen
        return nats


def _keys(tokens: Tensor) -> Tensor:
    """List the different keys of frames, the highest first: [N, 4], -2 where there is none."""
    ordered = tokens.sort(-1, descending=True).values
    again = functional.pad(ordered[:, 1:] == ordered[:, :-1], (1, 0))
    ordered = ordered.masked_fill(again | (ordered == SILENT), -2)
    return ordered.sort(-1, descending=True).values


def _options(
    keys: Tensor, taken: Tensor, tokens: Tensor, before: Tensor, part: int
) -> tuple[Tensor, Tensor]:
    """Describe what a part may do: features [N, 5, F], and which of it is allowed [N, 5]."""
    there, count = keys >= 0, (keys >= 0).sum(-1)
    left = count - (taken & there).sum(-1)  # keys that nobody sings yet
    spare = PARTS - part - left  # parts that may do something else
    silent = torch.full_like(keys[:, :1], SILENT)
    options = torch.cat([keys, silent], -1)
    used = functional.pad(taken, (0, 1), value=True)
    exists = functional.pad(there, (0, 1), value=True)
    allowed = exists & (~used | (spare > 0)[:, None])
    chosen = torch.where(torch.arange(PARTS) < part, tokens, SILENT)[:, None]
    held, option, own = before[:, None], options[..., None], before[:, part : part + 1]
    known, sung = (held >= 0) & (option >= 0), (chosen >= 0) & (option >= 0)
    interval = (option - held).clamp(-WIDEST, WIDEST) + WIDEST
    interval = torch.where(known, interval, 2 * WIDEST + 1)
    relation = torch.where(sung, 1 + (option - chosen).sign() + 1, 0)
    number = functional.one_hot(torch.full_like(options, part), PARTS)
    height = (option - MIDDLE) / CLASSES * (option >= 0)
    shared = (before[:, :, None] == before[:, None]).flatten(1)[:, None]

    def each(values: Tensor, size: int) -> Tensor:
        codes = functional.one_hot(values, size).flatten(2)
        return codes.expand(*options.shape, codes.shape[-1])

    parts = [
        number,
        number * height,
        each(interval, 2 * WIDEST + 2),
        each(relation, RELATIONS),
        option == held,
        shared.expand(*options.shape, PARTS**2),
        (own < 0)[..., None].expand(*options.shape, 1),
        each(count[:, None, None], OPTIONS),
        each(torch.arange(OPTIONS).expand_as(options)[..., None], OPTIONS),
        used[..., None],
        each(spare.clamp(0, PARTS)[:, None, None], OPTIONS),
    ]
    return torch.cat([one.float() for one in parts], -1), allowed


def pairs(songs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Put the frames of songs beside the frames before them; before a song, all is silent."""
    before = [np.concatenate([np.full((1, PARTS), SILENT), song[:-1]]) for song in songs]
    return tuple(torch.from_numpy(np.concatenate(each)).long() for each in (songs, before))


def fit(songs: Sequence[np.ndarray], seed: int) -> Assignment:
    """Train an assignment on songs, ndarray[int64] of shape [frames, 4]."""
    torch.manual_seed(seed)
    model, (tokens, before) = Assignment(), pairs(songs)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    for epoch in range(EPOCHS):
        order = noise.uniforms((len(tokens),), seed, "order", epoch).argsort()
        for chosen in order.split(BATCH):
            loss = -model(tokens[chosen], before[chosen]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@torch.no_grad()
def nats(model: Assignment, songs: Sequence[np.ndarray]) -> np.ndarray:
    """Compute -log p of how each frame's set is divided: float64, one song after another."""
    return -model(*pairs(songs)).double().numpy()
