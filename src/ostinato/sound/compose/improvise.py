"""Improvising: continuing ten seconds of sound for as long as wanted."""

import copy
import math

import torch
from torch import Tensor

from ostinato.core.devices import device_of
from ostinato.core.seeds import derive
from ostinato.scores.wav import PEAK, RATE
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.data.sound import FRAME
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.parts.score_creator import ScoreCreator

SEED_SAMPLES = PAST * FRAME
"""The number of samples that an improvisation continues: ten seconds."""


@torch.no_grad()
def improvise(
    autoencoder: Autoencoder, creator: ScoreCreator, begun: Tensor, seconds: float, seed: int
) -> Tensor:
    """Continue ten seconds of sound.

    The sound is encoded. The score creator draws the 5 frames that follow the last 40, these are
    appended, and so on. At the end, everything is decoded. All of it is computed in double
    precision, so that another run rounds to the same samples.

    Parameters
    ----------
    autoencoder, creator
        Trained models.
    begun : Tensor[2, 441000]
        The sound, which must not be silent. It is scaled to the peak of the training pieces, and
        the result is scaled back.
    seconds : float
        The length of the continuation.
    seed : int
        Determines what is drawn.

    Returns
    -------
    Tensor[2, 441000 + seconds * 44100]
        The sound, encoded and decoded, and its continuation.
    """
    autoencoder, creator = (copy.deepcopy(model).double() for model in (autoencoder, creator))
    begun = begun.double().to(device_of(autoencoder))
    samples = begun.shape[1] + round(seconds * RATE)
    gain = PEAK / begun.abs().max()
    begun = begun * gain
    content = autoencoder.encode(begun)[:PAST, : autoencoder.content]
    frames = math.ceil((samples + autoencoder.overlap) / FRAME)
    generator = torch.Generator().manual_seed(derive(seed, "improvise"))
    while len(content) < frames:
        noise = torch.randn(1, NEXT, creator.size, generator=generator).to(content)
        following = creator.sample(content[None, -PAST:], noise)[0]
        content = torch.cat([content, following])
    numbers = autoencoder.complete(content, begun)
    return (autoencoder.decode(numbers)[:, :samples] / gain).clamp(-1, 1).float().cpu()
