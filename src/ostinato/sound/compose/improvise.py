"""Improvising: continuing ten seconds of sound for as long as wanted."""

import copy
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ostinato.core.devices import device_of
from ostinato.core.errors import UserError
from ostinato.core.seeds import derive
from ostinato.scores.wav import PEAK, RATE
from ostinato.sound.compose.play import Playing
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.data.recordings import SILENCE
from ostinato.sound.data.sound import FRAME, Sounds
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.parts.score_creator import ScoreCreator
from ostinato.sound.parts.tones import HOP
from ostinato.sound.score_creators.player import Model as Player
from ostinato.sound.transcriber import Transcriber

SEED_SAMPLES = PAST * FRAME
"""The number of samples that an improvisation continues: ten seconds."""
JOIN = 2 * HOP
"""Samples at the end of what is given in which the improvisation takes over: 56 ms."""
FADE = RATE
"""Samples in which an improvisation fades out, if it is not shorter than four times as many."""

Improviser = Callable[[Tensor, float, int], Iterator[Tensor]]
"""From Tensor[2, 441000] of float64, whose peak is that of the training pieces, the seconds to go
on for, and a seed, to the continuation in parts, Tensor[2, n] each. It begins JOIN samples before
what is given ends, and may be longer than wanted."""

Writer = Callable[[np.ndarray, float, float, int], Iterator[tuple[np.ndarray, float]]]
"""From ndarray[PLAYED], when these notes are cut off, the seconds to go on for, and a seed, to
the notes that follow, as `ostinato.sound.compose.play.Playing.blocks` wants them."""


def beginnings(sounds: Sounds) -> list[int]:
    """List the test pieces that can be continued: those whose first ten seconds are not silent."""
    tests = [piece for piece in sounds.of("test") if sounds.samples[piece] >= SEED_SAMPLES]
    return [i for i in tests if np.abs(sounds.piece(i, 0, SEED_SAMPLES)).max() >= SILENCE]


class NoNotes(UserError):
    """No note is heard in what is given."""


@torch.no_grad()
def improvise(
    improviser: Improviser, begun: Tensor, seconds: float, seed: int
) -> Iterator[np.ndarray]:
    """Continue ten seconds of sound.

    Parameters
    ----------
    improviser : Improviser
    begun : Tensor[2, 441000]
        The sound, which must not be silent.
    seconds : float
        The length of the continuation.
    seed : int
        Determines what is drawn.

    Yields
    ------
    ndarray[float32], shape [2, n]
        First what was given, then the continuation, at most a second at a time, as soon as it is
        made. They fade into one another within 56 ms, and the last second fades out.
    """
    gain = PEAK / begun.abs().max().double()
    total, done = round(seconds * RATE) + JOIN, 0
    fade = min(FADE, total // 4)
    given = begun[:, -JOIN:].double()
    yield begun[:, :-JOIN].numpy()
    for made in improviser(begun.double() * gain, seconds, seed):
        part = made[:, : total - done].cpu() / gain
        place = torch.arange(done, done + part.shape[1], dtype=torch.float64)
        begins = (place / (JOIN - 1)).clamp(0, 1)
        ends = ((total - 1 - place) / (fade - 1)).clamp(0, 1)
        part = part * begins * ends
        before = given[:, done : done + part.shape[1]]
        part[:, : before.shape[1]] += before * (1 - begins[: before.shape[1]])
        done += part.shape[1]
        for some in part.clamp(-1, 1).float().split(RATE, 1):
            yield some.numpy()
        if done == total:
            return


def by_notes(transcriber: Transcriber, player: Player, write: Writer) -> Improviser:
    """Improvise by finding the notes of what is given, going on with them, and playing them.

    The improviser raises NoNotes if no note is heard.
    """
    transcriber, player = (copy.deepcopy(model).double() for model in (transcriber, player))

    def improviser(begun: Tensor, seconds: float, seed: int) -> Iterator[Tensor]:
        begun = begun.to(device_of(player))
        notes = transcriber.transcribe([begun])
        if not len(notes):
            raise NoNotes(
                "no note is heard in its first 10 s, so that nothing can go on with notes; begin "
                "elsewhere, or train a score creator that needs none: score_creator.kind: lstm"
            )
        first = (begun.shape[1] - JOIN) // HOP
        end = begun.shape[1] / RATE
        playing = Playing(player, begun, notes, first, derive(seed, "improvise"))
        return playing.blocks(write(notes, end, seconds, seed))

    return improviser


def by_frames(autoencoder: Autoencoder, creator: ScoreCreator) -> Improviser:
    """Improvise with an autoencoder: the score creator draws the frames that follow.

    It draws the 5 frames that follow the last 40, these are appended, and so on. When all are
    drawn, they are decoded a minute at a time.
    """
    autoencoder, creator = (copy.deepcopy(model).double() for model in (autoencoder, creator))

    @torch.no_grad()
    def improviser(begun: Tensor, seconds: float, seed: int) -> Iterator[Tensor]:
        begun = begun.to(device_of(autoencoder))
        content = autoencoder.encode(begun)[:PAST, : autoencoder.content]
        samples = begun.shape[1] + round(seconds * RATE)
        frames = math.ceil((samples + autoencoder.overlap) / FRAME)
        generator = torch.Generator().manual_seed(derive(seed, "improvise"))
        while len(content) < frames:
            noise = torch.randn(1, NEXT, creator.size, generator=generator).to(content)
            content = torch.cat([content, creator.sample(content[None, -PAST:], noise)[0]])
        before = begun.shape[1] - JOIN
        for sound in autoencoder.decode_parts(autoencoder.complete(content, begun)):
            if sound.shape[1] > before:
                yield sound[:, before:]
            before = max(0, before - sound.shape[1])

    return improviser
