"""Playing notes as those were played that were heard, a second at a time."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ostinato.core.noise import normals, uniforms
from ostinato.scores.performance import CUT
from ostinato.scores.wav import RATE
from ostinato.sound.parts import tones
from ostinato.sound.parts.listening import listen
from ostinato.sound.parts.tones import BANDS, HOP, KEYS, LOWEST, TAIL, Noise, Notes
from ostinato.sound.score_creators.player import Model, Voices

BLOCK = 36
"""Hops that are played at a time: one second."""
ATTACK, FADE = round(0.004 * RATE), 6
"""Samples in which a note begins, and hops in which its tail ends."""
INAUDIBLE = -14.0
"""Partials that never reach this level, relative to what was heard, are left out."""
MOST, TOGETHER = 1000, 16
"""How many notes are listened to, and how many are added at a time, at most: a transcriber may find
very many in noise."""
MONO = 1e-9
"""Power added to both channels before their ratio."""


class Playing:
    """Plays notes, from some time on.

    Parameters
    ----------
    model : Model
        In double precision.
    begun : Tensor[2, S] of float64
        What was heard, not silent.
    notes : ndarray[PLAYED]
        Its notes, at least one. Those that are cut off at its end are not played again.
    first : int
        The hop to begin at. Notes that were heard are played again if they still sound there.
    seed : int
        For phases and noise.
    """

    def __init__(self, model: Model, begun: Tensor, notes: np.ndarray, first: int, seed: int):
        self._model, self._seed = model, seed
        latest = notes_of(notes[-MOST:], begun)
        self._heard = listen(model.tones, begun.mean(0), latest)
        self._ratio = _sides(model, begun)
        self._scale = (self._heard.level / 2).exp()
        self._noise = Noise(model.tones).to(begun.device)
        self._floor = model.floor(self._heard)
        self._now, self._count = first, 0
        self._sound = begun.new_zeros(2, 0)
        self._power = begun.new_zeros(0, BANDS)
        ends = notes["end"] * RATE
        over = ends < begun.shape[1] - CUT * RATE
        self.add(notes[over & (ends / HOP + TAIL > first)])

    def add(self, notes: np.ndarray) -> None:
        """Add notes, ndarray[PLAYED], in seconds; what would sound before now is left out."""
        for first in range(0, len(notes), TOGETHER):
            self._add_some(notes_of(notes[first : first + TOGETHER], self._sound))

    def _add_some(self, wanted: Notes) -> None:
        voices = self._model.voices(self._heard, wanted)
        frequencies = self._model.frequencies(voices, wanted.keys)
        for i in range(len(wanted.keys)):
            own = Voices(*(part[i : i + 1] for part in voices))
            self._add(wanted.keys[i], wanted.starts[i], wanted.ends[i], own, frequencies[i])

    def _add(
        self, key: Tensor, start: Tensor, end: Tensor, voice: Voices, frequencies: Tensor
    ) -> None:
        length = end - start
        count = math.ceil(length.item()) + TAIL
        age = torch.arange(count + 1).to(start)
        same = torch.zeros_like(age, dtype=torch.int64)
        levels = self._model.levels(voice, key[None], same, age, age - length)
        fade = ((count - age) / FADE).clamp(0, 1).log()[:, None]
        partials, bands = levels.partials + fade, levels.bands + fade
        [loud] = (partials.amax(0) > INAUDIBLE).nonzero(as_tuple=True)
        below, between = (
            x[key, loud] for x in (self._model.tones.below, self._model.tones.between)
        )
        sides = torch.lerp(self._ratio[below], self._ratio[below + 1], between.to(start)).log()
        both = torch.stack([partials[:, loud], partials[:, loud] + sides])
        phases = 2 * math.pi * uniforms(both.shape[::2], self._seed, "phases", self._count)
        wave = tones.partial_waves(both, frequencies[loud], phases.to(both))
        wave[:, :ATTACK] *= torch.linspace(0, 1, ATTACK).to(wave)
        self._count += 1
        self._sound = _added(self._sound, wave, round(start.item() * HOP) - self._now * HOP, 1)
        # Blocks of noise are centred at hops.
        power = (2 * bands).exp()
        self._power = _added(self._power, power, round(start.item()) - self._now, 0)

    def block(self) -> Tensor:
        """Play the next second: Tensor[2, BLOCK * HOP], left and right."""
        self._sound = _padded(self._sound, BLOCK * HOP, 1)
        self._power = _padded(self._power, BLOCK + 1, 0)
        amplitudes = (self._power[: BLOCK + 1] + self._floor).sqrt()
        both = torch.stack([amplitudes, amplitudes * self._ratio])
        hops = range(self._now - 1, self._now + BLOCK + 1)
        white = torch.cat([normals((2, HOP), self._seed, "noise", hop) for hop in hops], 1)
        heard = self._noise(white.to(both), both)[:, HOP:-HOP] + self._sound[:, : BLOCK * HOP]
        self._sound = self._sound[:, BLOCK * HOP :]
        self._power = self._power[BLOCK:]
        self._now += BLOCK
        middle, side = heard * self._scale
        return torch.stack([middle + side, middle - side])

    def blocks(self, following: Iterator[tuple[np.ndarray, float]]) -> Iterator[Tensor]:
        """Play what follows; after its last note, what sounds on, and silence, without an end.

        Parameters
        ----------
        following : iterator of (ndarray[PLAYED], float)
            Notes, and the time in seconds before which no other note will begin.

        Yields
        ------
        Tensor[2, BLOCK * HOP]
        """
        for notes, known in following:
            self.add(notes)
            while (self._now + BLOCK) * HOP / RATE <= known:
                yield self.block()


def notes_of(notes: np.ndarray, like: Tensor) -> Notes:
    """Notes in hops, on the device of a tensor and in its precision."""
    notes = notes[(notes["pitch"] >= LOWEST) & (notes["pitch"] < LOWEST + KEYS)]
    keys = torch.from_numpy(notes["pitch"].astype(np.int64) - LOWEST).to(like.device)
    return Notes(
        keys, *(torch.from_numpy(notes[name] * RATE / HOP).to(like) for name in ("start", "end"))
    )


def _sides(model: Model, begun: Tensor) -> Tensor:
    """Measure how much louder the difference of channels is than their mean: Tensor[24]."""
    both = begun[0] + begun[1], begun[0] - begun[1]
    powers = [model.tones.in_bands(model.tones.power(each / 2)).mean(0) + MONO for each in both]
    return (powers[1] / powers[0]).sqrt()


def _padded(x: Tensor, count: int, dim: int) -> Tensor:
    missing = max(0, count - x.shape[dim])
    shape = list(x.shape)
    shape[dim] = missing
    return torch.cat([x, x.new_zeros(shape)], dim)


def _added(x: Tensor, more: Tensor, where: int, dim: int) -> Tensor:
    """Add to a part of a tensor, which is extended if need be; what is before it is left out."""
    more = more.narrow(
        dim, min(max(0, -where), more.shape[dim]), max(0, more.shape[dim] + min(0, where))
    )
    where = max(0, where)
    x = _padded(x, where + more.shape[dim], dim)
    x.narrow(dim, where, more.shape[dim]).add_(more)
    return x
