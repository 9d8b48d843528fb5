"""Improvising: ten seconds of sound in, as many seconds as wanted come after them."""

import math

import torch
from torch import Tensor, nn

from ostinato.core.seeds import derive
from ostinato.scores.wav import PEAK, RATE
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.data.sound import FRAME
from ostinato.sound.score_creators import ScoreCreator

SEED_SAMPLES = PAST * FRAME
"""Samples that an improvisation begins with, ten seconds."""


@torch.no_grad()
def improvise(
    autoencoder: nn.Module, creator: ScoreCreator, begun: Tensor, seconds: float, seed: int
) -> Tensor:
    """Go on from ten seconds of sound.

    They are encoded; the score creator draws 5 frames after the last 40, these are appended, the
    oldest 5 dropped, and so on; at the end everything is decoded.

    Parameters
    ----------
    autoencoder, creator
        Trained models.
    begun : Tensor[2, 441000]
        What was heard, not silent. It is brought to the level of the training pieces, and the
        result back to its own.
    seconds : float
        How long to go on.
    seed : int
        Decides what is drawn.

    Returns
    -------
    Tensor[2, 441000 + seconds * 44100]
        The beginning as decoded, and what follows.
    """
    samples = begun.shape[1] + round(seconds * RATE)
    gain = PEAK / begun.abs().max()
    begun = begun * gain
    content = autoencoder.encode(begun)[:PAST, : autoencoder.content]
    frames = math.ceil((samples + autoencoder.overlap) / FRAME)
    generator = torch.Generator().manual_seed(derive(seed, "improvise"))
    while len(content) < frames:
        noise = torch.randn(1, NEXT, creator.size, generator=generator)
        following = creator.sample(content[None, -PAST:], noise)[0]
        content = torch.cat([content, following])
    numbers = autoencoder.complete(content, begun)
    return (autoencoder.decode(numbers)[:, :samples] / gain).clamp(-1, 1)
