"""Notes as partials and bands of noise: the spectra that they make, and their sound.

Spectral modelling synthesis (Serra and Smith, Computer Music Journal 1990): a note is a sum of sine
waves near multiples of its frequency, whose levels change with time, and of noise with levels in
bands. Levels are natural logarithms of amplitudes.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.scores.wav import RATE

WINDOW, HOP = 4096, 1225
"""Samples of the window of spectra, and from one spectrum to the next: 28 ms."""
SPACING = RATE / WINDOW
BINS = round(16_000 / SPACING)
"""Spectra reach up to 16 kHz."""
LOWEST, KEYS = 21, 88
BETWEEN = 0.5, 1.5, 2.5, 3.5
"""Partials besides the harmonics: organs sound an octave and a fifth below, too."""
HARMONICS = 96
MULTIPLES = [*BETWEEN, *range(1, HARMONICS + 1)]
FREE = 24
"""So many partials, the first ones, have levels of their own; for the others, those of bands."""
BANDS, LOW, HIGH = 24, 30.0, 15_500.0
"""Bands, equally wide in mel, and the frequencies between which they and partials are, in Hz."""
TAIL = 36
"""Hops that a note may be heard after its end."""
BEFORE = WINDOW / 2 / HOP
"""Hops that a spectrum sees ahead of its centre."""
MEDIAN = math.log(2)
"""The median of the power of noise in a bin, as a share of its mean."""
LOBE = torch.arange(-1, 3)
"""Bins around the one below a sine wave in which it is seen."""
LOUDEST = 6.0
"""No level is higher, so that none becomes infinite in training."""


class Notes(NamedTuple):
    """Notes to play.

    Attributes
    ----------
    keys : Tensor[N] of int64
        From 0 to 87.
    starts, ends : Tensor[N]
        In hops; may be negative.
    """

    keys: Tensor
    starts: Tensor
    ends: Tensor


class Levels(NamedTuple):
    """Levels of notes at some times.

    Attributes
    ----------
    partials : Tensor[P, 100]
        Minus infinity where there is none.
    bands : Tensor[P, 24]
    """

    partials: Tensor
    bands: Tensor


class Mix(NamedTuple):
    """What windows see of amplitudes that change linearly from knot to knot.

    Knots are hops after the beginning of a note.

    Attributes
    ----------
    knots : Tensor[Q, 4] of int64
    weights : Tensor[Q, 4]
    """

    knots: Tensor
    weights: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Mix the values of knots: Tensor[K, n] to Tensor[Q, n]."""
        return nn.functional.embedding_bag(
            self.knots, values, per_sample_weights=self.weights, mode="sum"
        )


def _mel(frequency: np.ndarray | float) -> np.ndarray:
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


class Tones(nn.Module):
    """The geometry of partials and bands.

    Attributes
    ----------
    frequencies : Tensor[88, 100]
        Of the partials of keys, in Hz.
    multiples : Tensor[100]
        The same, as multiples of the frequency of the key.
    bands : Tensor[24, BINS]
        1 in the bins of each band, otherwise 0.
    importance : Tensor[BINS]
        Weights that sum to 1 and count all parts of the mel scale alike.
    """

    def __init__(self):
        super().__init__()
        keys = 440 * 2 ** ((torch.arange(KEYS).double() + LOWEST - 69) / 12)
        multiples = torch.tensor(MULTIPLES, dtype=torch.float64)
        frequencies = keys[:, None] * multiples
        edges = np.interp(
            np.linspace(_mel(LOW), _mel(HIGH), BANDS + 1),
            _mel(np.arange(BINS) * SPACING),
            np.arange(BINS),
        )
        edges = np.rint(edges).astype(int)
        edges[1:] = np.maximum(edges[1:], edges[:-1] + 1)
        edges[-1] = BINS
        bands = torch.zeros(BANDS, BINS)
        for band, (first, last) in enumerate(pairwise(edges)):
            bands[band, first:last] = 1
        place = (_mel(frequencies.numpy()) - _mel(LOW)) / (_mel(HIGH) - _mel(LOW)) * BANDS - 0.5
        place = torch.from_numpy(place).clamp(0, BANDS - 1.001)
        self.register_buffer("frequencies", frequencies.float(), persistent=False)
        self.register_buffer("multiples", multiples.float(), persistent=False)
        there = (frequencies > LOW) & (frequencies < HIGH)
        self.register_buffer("there", there, persistent=False)
        self.register_buffer("below", place.long(), persistent=False)
        self.register_buffer("between", (place - place.floor()).float(), persistent=False)
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("widths", bands.sum(1), persistent=False)
        frequency = torch.arange(BINS).double() * SPACING
        importance = torch.where(frequency > LOW, 1 / (700 + frequency), 0)
        self.register_buffer(
            "importance", (importance / importance.sum()).float(), persistent=False
        )
        hann = [math.sin(math.pi * n / WINDOW) ** 2 for n in range(WINDOW)]
        self.register_buffer("window", torch.tensor(hann), persistent=False)

    def power(self, samples: Tensor) -> Tensor:
        """Compute the power of bins, 1 for a sine wave whose amplitude is 1.

        Parameters
        ----------
        samples : Tensor[S]
            Spectrum i sees the samples from i * HOP to i * HOP + WINDOW.

        Returns
        -------
        Tensor[(S - WINDOW) // HOP + 1, BINS]
        """
        seen = samples.unfold(0, WINDOW, HOP) * self.window
        spectrum = torch.fft.rfft(seen)[:, :BINS] / (self.window.sum() / 2)
        return spectrum.real.square() + spectrum.imag.square()

    def in_bands(self, power: Tensor) -> Tensor:
        """Average the power of the bins of each band: Tensor[..., BINS] to Tensor[..., 24]."""
        return power @ self.bands.T / self.widths

    def levels(
        self, keys: Tensor, copied: Tensor, own: Tensor, envelope: Tensor, noise: Tensor
    ) -> Levels:
        """Put levels together.

        Parameters
        ----------
        keys : Tensor[P] of int64
        copied : Tensor[P, H]
            Levels of the first harmonics. Those of the other partials are from the envelope.
        own : Tensor[P, 24]
            What is added to the levels of the first partials.
        envelope, noise : Tensor[P, 24]
            Levels of partials and of noise in bands.

        Returns
        -------
        Levels
        """
        below, between = self.below[keys], self.between[keys]
        levels = torch.lerp(envelope.gather(1, below), envelope.gather(1, below + 1), between)
        first, last = len(BETWEEN), len(BETWEEN) + copied.shape[1]
        levels = torch.cat([levels[:, :first], copied, levels[:, last:]], 1)
        levels = levels + nn.functional.pad(own, (0, len(MULTIPLES) - FREE))
        silent = torch.full_like(levels, -math.inf)
        partials = torch.where(self.there[keys], levels.clamp(max=LOUDEST), silent)
        return Levels(partials, noise.clamp(max=LOUDEST))

    def expected(
        self, levels: Levels, frequencies: Tensor, note: Tensor, row: Tensor, mix: Mix, rows: int
    ) -> tuple[Tensor, Tensor]:
        """Compute the power of bins that notes are expected to have together.

        Powers of different partials are added, since their phases are not known.

        Parameters
        ----------
        levels : Levels
            Of all notes at their knots.
        frequencies : Tensor[N, 100]
            Those of the partials of each note, in Hz.
        note, row : Tensor[Q] of int64
            Which note is seen in which spectrum.
        mix : Mix
            What is seen of it there.
        rows : int
            The number of spectra.

        Returns
        -------
        tonal : Tensor[rows, BINS]
        noise : Tensor[rows, 24]
            The mean power of noise in the bins of each band.
        """
        place = frequencies / SPACING
        nearest = place.detach().floor().long()[..., None] + LOBE.to(place.device)
        away = nearest - place[..., None]
        lobe = torch.sinc(away) + (torch.sinc(away - 1) + torch.sinc(away + 1)) / 2
        power = mix(levels.partials.exp()).square()[..., None] * lobe.square()[note]
        where = row[:, None, None] * BINS + nearest.clamp(0, BINS - 1)[note]
        tonal = power.new_zeros(rows * BINS).index_add(0, where.flatten(), power.flatten())
        noise = mix((2 * levels.bands).exp())
        return tonal.view(rows, BINS), noise.new_zeros(rows, BANDS).index_add(0, row, noise)


def mixed(age: Tensor, first: Tensor, start: Tensor, count: Tensor) -> Mix:
    """Find what windows see of notes; the four knots nearest to each tell it within 2 %.

    Parameters
    ----------
    age : Tensor[Q]
        Hops from the beginning of the note to the centre of the window.
    first, start, count : Tensor[Q] of int64
        The first knot of the note that is known, in hops; its place among all knots; and the
        number of its knots. Amplitudes are 0 before the beginning, and where no knot is known.

    Returns
    -------
    Mix
    """
    below = age.floor().long()[:, None] + torch.arange(-1, 3, device=age.device)
    away = age[:, None] - below
    weights = _ramp(away + 1) - 2 * _ramp(away) + _ramp(away - 1)
    begins = share_seen(away) - _ramp(away) + _ramp(away - 1)
    weights = torch.where(below == 0, begins, weights)
    place = below - first[:, None]
    known = (place >= 0) & (place < count[:, None]) & (below >= 0)
    return Mix(
        start[:, None] + torch.where(known, place, torch.zeros_like(place)),
        torch.where(known, weights, torch.zeros_like(weights)),
    )


def share_seen(age: Tensor) -> Tensor:
    """Compute which share of a Hann window has come after the beginning of a note.

    Parameters
    ----------
    age : Tensor
        Hops from the beginning of the note to the centre of the window.

    Returns
    -------
    Tensor
        From 0 at -BEFORE to 1 at BEFORE.
    """
    share = (age / BEFORE).clamp(-1, 1)
    return (1 + share + torch.sin(math.pi * share) / math.pi) / 2


def _ramp(age: Tensor) -> Tensor:
    """The integral of `share_seen`, which is what a window sees of a ramp that begins at age 0."""
    inside = age.clamp(-BEFORE, BEFORE)
    wave = BEFORE / math.pi**2 * (1 + torch.cos(math.pi * inside / BEFORE))
    integral = (inside + BEFORE + (inside.square() - BEFORE**2) / (2 * BEFORE) - wave) / 2
    return integral + (age - BEFORE).clamp_min(0)


def partial_waves(levels: Tensor, frequencies: Tensor, phases: Tensor) -> Tensor:
    """Add up sine waves whose amplitudes change linearly from hop to hop.

    Parameters
    ----------
    levels : Tensor[C, hops + 1, P]
        Of several sounds.
    frequencies : Tensor[P]
        In Hz.
    phases : Tensor[C, P]
        At the beginning.

    Returns
    -------
    Tensor[C, hops * HOP]
    """
    amplitudes = levels.exp()
    turns = 2 * math.pi / RATE * frequencies
    within = torch.arange(HOP, dtype=levels.dtype, device=levels.device)
    angles = turns[:, None] * within
    waves = torch.cat([angles.cos(), -angles.sin()])
    hops = torch.arange(levels.shape[1] - 1, dtype=levels.dtype, device=levels.device) * HOP
    begin = phases[:, None] + hops[:, None] * turns
    turned = torch.stack([begin.cos(), begin.sin()], 2)
    first, last = (
        (turned * each[:, :, None]).flatten(2) @ waves
        for each in (amplitudes[:, :-1], amplitudes[:, 1:])
    )
    return torch.lerp(first, last, within / HOP).flatten(1)


class Noise(nn.Module):
    """White noise, filtered to levels in bands that change from hop to hop."""

    def __init__(self, tones: Tones):
        super().__init__()
        size = 2 * HOP
        frequencies = np.arange(HOP + 1) * RATE / size
        bins = np.minimum(np.rint(frequencies / SPACING).astype(int), BINS - 1)
        weights = tones.bands[:, bins].double()
        weights[:, frequencies > HIGH] = 0
        gain = tones.window.sum() / 2 / tones.window.square().sum().sqrt()
        window = [math.sin(math.pi * (n + 0.5) / size) for n in range(size)]
        self.register_buffer("weights", weights * gain, persistent=False)
        self.register_buffer("window", torch.tensor(window).double(), persistent=False)

    def forward(self, white: Tensor, amplitudes: Tensor) -> Tensor:
        """Filter noise.

        Parameters
        ----------
        white : Tensor[C, (T + 1) * HOP]
            Standard normal.
        amplitudes : Tensor[C, T, 24]
            The square root of the power in the bins of each band, as `Tones.power` has it.

        Returns
        -------
        Tensor[C, (T + 1) * HOP]
            The first and the last hop are incomplete: blocks overlap by one and are added.
        """
        seen = torch.fft.rfft(white.unfold(1, 2 * HOP, HOP) * self.window)
        blocks = torch.fft.irfft(seen * (amplitudes @ self.weights)) * self.window
        first, second = blocks.split(HOP, -1)
        pad = torch.zeros_like(first[:, :1])
        return (torch.cat([first, pad], 1) + torch.cat([pad, second], 1)).flatten(1)
