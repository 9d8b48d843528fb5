"""The convolutional autoencoder: a spectral envelope, and the coefficients where it is loudest.

A frame of 512 numbers has two parts. From the *content*, 64 numbers, convolutions compute a smooth
estimate of the power of every bin of a lapped transform. This estimate selects the loudest bins.
Encoder and decoder compute the same selection, so no numbers are spent on the positions of these
bins. The *details*, 448 numbers, are the coefficients of the selected bins, relative to the
amplitudes expected there. All other bins are estimated from their neighbours. Noise of the expected
power is added to quiet bins, and replaces everything above 6.4 kHz.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core.schema import Positive, Schema
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.autoencoder import PART, SIZE, Autoencoder
from ostinato.sound.parts.lapped import Lapped
from ostinato.sound.parts.principal import principal_axes

HOPS = 3
"""Blocks of the transform per frame."""
HOP = FRAME // HOPS
BINS = 1067
"""The number of bins that are coded individually, up to 6.4 kHz."""
BANDS = 24
"""The number of bands above these bins. Only the power of a band is coded; it sounds as noise."""
EDGES = [BINS + round(band * (HOP - BINS) / BANDS) for band in range(BANDS + 1)]
"""The first bin of each band, and the end of the last one."""
WIDTHS = [end - start for start, end in pairwise(EDGES)]
FLOOR = 1e-3
"""Power added to every bin before the logarithm, so that inaudible differences hardly count."""
SPAN = math.sqrt(HOPS * CHANNELS * BINS)
"""Square root of the number of individually coded bins in a frame, over all its blocks."""
REACH_HOPS, REACH_BINS = 1, 2
"""How far away the neighbours of a bin that it is estimated from may be, in blocks and in bins."""
CONTEXT = 4
"""Frames on each side that those depend on which are encoded or decoded at a time."""
SPECTRAL_CROPS = 8
"""Crops of a batch whose spectra are compared. Comparing all would take most of the time."""
KNOTS, LOWEST, STEP = 33, -10.0, 0.5
"""The expected powers at which `Model.finish` measures true powers: how many there are, the lowest,
and the distance between two of them. The last two are logarithms to base 10."""
LOUDEST = 9.0
"""Before training has ended, no power is expected to be higher, as a logarithm to base 10."""
QUIET = 1e-6
"""Power added to a spectrum before the logarithm."""


class Params(Schema):
    """Sizes, the weights of the loss, and how sound is made where there are no details.

    Attributes
    ----------
    content : int
        How many of the 512 numbers of a frame are content. The others are details.
    width : int
        Channels of the convolutions.
    softness : float
        How softly bins are selected in training: the width of a logistic function of the logarithm
        to base 10 of their power.
    spectral_weight : float
        Weight of the spectral distance in the loss, relative to the error of the waveform.
    spectral_windows : list of int
        Lengths of the windows in which spectra are compared, in samples.
    likelihood_weight : float
        Weight in the loss of the negative log-likelihood of a coefficient, in nats, under a Laplace
        distribution of the expected power.
    noise_margin, noise_level : float
        Noise is added to a bin if its expected power is so many powers of ten below that of the
        quietest selected bin. The amplitude of the noise is this fraction of the expected one, so
        that it can be heard but hardly changes the waveform.
    phase_iterations : int
        Iterations to find consistent phases when a sound is continued from its content alone.
    """

    content: Annotated[int, Field(ge=1, le=256)]
    width: Positive
    softness: Annotated[float, Field(gt=0)]
    spectral_weight: Annotated[float, Field(ge=0)]
    spectral_windows: Annotated[
        list[Annotated[int, Field(ge=16, le=32768)]], Field(min_length=1, max_length=16)
    ]
    likelihood_weight: Annotated[float, Field(ge=0)]
    noise_margin: Annotated[float, Field(ge=0)]
    noise_level: Annotated[float, Field(ge=0)]
    phase_iterations: Positive


class Model(Autoencoder):
    """See the docstring of the module.

    The content is scaled in dB: the distance between two contents is about the root mean square
    difference of the power of all bins.
    """

    overlap = HOP

    def __init__(self, params: Params):
        super().__init__()
        self.params = params
        self.content = params.content
        self.details = SIZE - params.content
        channels, width, content = CHANNELS * BINS, params.width, params.content
        self.lapped = Lapped(HOP, HOP)
        band = torch.arange(BANDS).repeat_interleave(torch.tensor(WIDTHS))
        self.register_buffer("band", band, persistent=False)
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("high_mean", torch.zeros(CHANNELS * BANDS, 1))
        self.register_buffer("highest", torch.full((CHANNELS * BANDS, 1), LOUDEST))
        self.register_buffer("spread", torch.ones(content, 1))
        self.register_buffer("levels", LOWEST + STEP * torch.arange(KNOTS))
        self.down = nn.Conv1d(channels, content, HOPS, HOPS, bias=False)
        self.up = nn.ConvTranspose1d(content, channels, HOPS, HOPS, bias=False)
        self.encoder = nn.Sequential(
            nn.Conv1d(channels + CHANNELS * BANDS, width, 1),
            nn.GELU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, HOPS, HOPS),
            nn.GELU(),
            nn.Conv1d(width, content, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv1d(content, width, 3, padding=1),
            nn.GELU(),
            nn.ConvTranspose1d(width, width, HOPS, HOPS),
            nn.GELU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(width, channels + CHANNELS * BANDS, 1),
        )
        self.neighbours = Neighbours()
        for last in (self.encoder[-1], self.decoder[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @torch.no_grad()
    def start(self, samples: Tensor) -> None:
        """Start from the best linear estimate: principal components of the log power of frames."""
        spectra = (self._spectrum(part.double()) for part in samples.split(32))
        parts = [(_loudness(_low(spectrum)), _high(spectrum)) for spectrum in spectra]
        loudness, high = (torch.cat(part) for part in zip(*parts, strict=True))
        self.mean.copy_(loudness.mean((0, 2))[:, None])
        self.high_mean.copy_(high.mean((0, 2))[:, None])
        rows = _frames(loudness - self.mean).flatten(0, 1)
        _, axes = principal_axes(rows, self.content)
        self.spread.copy_((rows @ axes).std(0)[:, None] * 10 / SPAN)
        kernels = axes.T.unflatten(1, (-1, HOPS))
        self.down.weight.copy_(kernels * 10 / SPAN)
        self.up.weight.copy_(kernels * SPAN / 10)

    @torch.no_grad()
    def finish(self, samples: Tensor) -> None:
        """Measure the true power of bins as a function of the expected power, and the highest ones.

        Training with the selection of bins exaggerates the contrast of the estimate. This does not
        harm the selection, but it would harm any sound that is made from the estimate alone. The
        power of a band is never taken to be above the highest of training, since in sound unlike
        that of training (cymbals) it would be exaggerated without bounds.
        """
        highest = torch.full_like(self.high_mean, -math.inf)
        count = torch.ones_like(self.levels)
        total = torch.full_like(self.levels, 10**LOWEST)
        for part in samples.split(32):
            spectrum = self._spectrum(part)
            power, _ = self._power(self._content(spectrum))
            knot = ((power - LOWEST) / STEP).round().long().clamp(0, KNOTS - 1).flatten()
            powers = _low(spectrum).real.square().flatten()
            count.index_add_(0, knot, torch.ones_like(powers))
            total.index_add_(0, knot, powers)
            highest = torch.maximum(highest, _high(spectrum).amax((0, 2))[:, None])
        self.highest.copy_(highest)
        self.levels.copy_(torch.log10(total / count).cummax(0).values)

    def forward(self, samples: Tensor) -> Tensor:
        """Add up the waveform error, the spectral distance, and the negative log-likelihood.

        Bins are selected softly here, so that the selection has a gradient.
        """
        with torch.no_grad():
            spectrum = self._spectrum(samples)
        power, high = (part.float() for part in self._power(self._content(spectrum)))
        true = _low(spectrum).real
        chosen = _grid(_softly_chosen(_frames(power), self.details, self.params.softness))
        sent = true * chosen
        guess = sent + (1 - chosen) * self.neighbours(sent)
        error = (guess - true).square().sum() / true.square().sum().clamp_min(1e-9)
        surprise = _nats(true, power).mean() + _nats(10 ** (_high(spectrum) / 2), high).mean()
        few = slice(SPECTRAL_CROPS)
        noise = torch.randn(spectrum[few].shape).to(spectrum.device)
        heard = self._samples(self._with_noise(guess[few], power[few], high[few], noise))
        distance = _spectral_distance(
            heard, samples[few, :, HOP:-HOP], self.params.spectral_windows
        )
        return (
            10 * torch.log10(error)
            + self.params.spectral_weight * distance
            + self.params.likelihood_weight * surprise
        )

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Return for each frame its content, then its details, in order of expected power."""
        count = -(-(samples.shape[1] + HOP) // FRAME)
        padded = nn.functional.pad(samples, (HOP, count * FRAME - samples.shape[1]))
        numbers = []
        for outer, inner in _parts(count):
            part = padded[None, :, outer.start * FRAME : outer.stop * FRAME + HOP]
            spectrum = self._spectrum(part)
            content = self._content(spectrum)
            places, levels = self._choice(content)
            details = _frames(_low(spectrum).real).gather(-1, places) / levels
            numbers.append(torch.cat([content.mT, details], -1)[0, inner])
        return torch.cat(numbers)

    @torch.no_grad()
    def decode_parts(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Put the details into the bins that the content selects, and fill in the others."""
        for first, numbers, inner in _with_context(parts):
            content, details = numbers[None].split([self.content, self.details], -1)
            places, levels = self._choice(content.mT)
            power, high = self._power(content.mT)
            empty = details.new_zeros(1, details.shape[1], CHANNELS * BINS * HOPS)
            sent = _grid(empty.scatter(-1, places, details * levels))
            chosen = _grid(empty.scatter(-1, places, 1.0))
            guess = sent + (1 - chosen) * self.neighbours(sent)
            frames = range(first, first + len(numbers))
            noise = torch.cat([_noise_of(frame) for frame in frames], 1)
            heard = self._with_noise(guess, power, high, noise[None].to(guess))
            # The first block of the next frame completes the last samples of this part.
            yield self._samples(heard[..., inner.start * HOPS : inner.stop * HOPS + 1])[0]

    @torch.no_grad()
    def complete(self, content: Tensor, begun: Tensor) -> Iterator[Tensor]:
        """Find details for contents that continue a sound, so that its tones carry on.

        The contents determine the magnitude of each bin. Phases that are consistent with one
        another and with the sound before are found by alternating between spectra of these
        magnitudes and spectra of real signals (Griffin and Lim 1984).
        """
        known = _low(self._spectrum(nn.functional.pad(begun, (HOP, 0))[None]))
        given = known.shape[2]
        for outer, inner in _parts(len(content)):
            part = content[None, outer].mT
            power = self._power(part)[0][..., inner.start * HOPS : inner.stop * HOPS]
            loudness = math.sqrt(2) * 10 ** (self._level(power[..., given:]) / 2)
            following = self._follow(known[..., -CONTEXT * HOPS :], loudness, outer.start)
            known = torch.cat([known, following], 2)[..., -power.shape[2] :]
            places, levels = (x[:, inner] for x in self._choice(part))
            details = _frames(known.real).gather(-1, places) / levels
            yield torch.cat([part.mT[:, inner], details], -1)[0]
            given = 0

    def _follow(self, known: Tensor, loudness: Tensor, seed: int) -> Tensor:
        """Continue known blocks with blocks of the given magnitudes.

        Complex Tensor[1, 2 * BINS, T] and Tensor[1, 2 * BINS, n] to complex
        Tensor[1, 2 * BINS, n].
        """
        count = known.shape[2]
        random = torch.rand(loudness.shape, generator=torch.Generator().manual_seed(seed))
        phase = 2 * math.pi * random.to(loudness)
        for _ in range(self.params.phase_iterations):
            spectrum = torch.cat([known, torch.polar(loudness, phase)], 2)
            sound = nn.functional.pad(self._samples(spectrum), (HOP, HOP))
            following = _low(self._spectrum(sound))[..., count:]
            phase = following.angle()
        return following

    def _spectrum(self, samples: Tensor) -> Tensor:
        """Tensor[B, 2, (T + 1) * HOP] of left and right to complex Tensor[B, 2 * HOP, T]."""
        return self.lapped(_mid_side(samples)).mT.flatten(1, 2)

    def _samples(self, spectrum: Tensor) -> Tensor:
        """Tensor[B, 2 * bins, T], real or complex, to Tensor[B, 2, (T - 1) * HOP]."""
        both = self.lapped.inverse(spectrum.unflatten(1, (CHANNELS, -1)).mT)
        return _mid_side(both[..., HOP:-HOP])

    def _content(self, spectrum: Tensor) -> Tensor:
        """Tensor[B, 2 * HOP, n * HOPS] to Tensor[B, content, n]."""
        loudness = _loudness(_low(spectrum)) - self.mean
        high = _high(spectrum) - self.high_mean
        every = torch.cat([loudness, high], 1)
        return self.down(loudness) + self.spread * self.encoder(every)

    def _power(self, content: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logarithm to base 10 of expected powers, from Tensor[B, content, n].

        Of bins, Tensor[B, 2 * BINS, n * HOPS], and of bands, Tensor[B, 2 * BANDS, n * HOPS].
        """
        change = self.decoder(content / self.spread)
        low, high = change.split([CHANNELS * BINS, CHANNELS * BANDS], 1)
        high = torch.minimum(high + self.high_mean, self.highest)
        return self.up(content) + low + self.mean, high

    def _choice(self, content: Tensor) -> tuple[Tensor, Tensor]:
        """The selected places in each frame, the loudest first, and the amplitudes expected there.

        Details are stored in the order of this ranking, so that rounding errors can at most
        exchange two bins of the same power.
        """
        power, places = _frames(self._power(content)[0]).topk(self.details, -1)
        return places, 10 ** (self._level(power) / 2)

    def _level(self, power: Tensor) -> Tensor:
        """The true power for an estimate, as measured by `finish`; logarithms to base 10."""
        place = ((power - LOWEST) / STEP).clamp(0, KNOTS - 1.001)
        below = place.floor()
        knot = below.long()
        return torch.lerp(self.levels[knot], self.levels[knot + 1], place - below)

    def _with_noise(self, guess: Tensor, power: Tensor, high: Tensor, noise: Tensor) -> Tensor:
        """Add noise to quiet bins, and fill the bands above with noise: Tensor[B, 2 * HOP, T]."""
        low_noise, high_noise = noise.unflatten(1, (CHANNELS, HOP)).split([BINS, HOP - BINS], 2)
        frames = _frames(power)
        least = frames.topk(self.details, -1).values[..., -1:] - self.params.noise_margin
        quiet = _grid((frames < least).to(power.dtype))
        filled = guess + self.params.noise_level * quiet * low_noise.flatten(1, 2) * 10 ** (
            self._level(power) / 2
        )
        levels = 10 ** (high / 2).unflatten(1, (CHANNELS, BANDS))
        levels = levels.index_select(2, self.band)
        both = [filled.unflatten(1, (CHANNELS, BINS)), high_noise * levels]
        return torch.cat(both, 2).flatten(1, 2)


class Neighbours(nn.Module):
    """A linear estimate of each coefficient from those around it; each bin has its own weights."""

    def __init__(self):
        super().__init__()
        self.hops = 2 * REACH_HOPS + 1
        self.bins = 2 * REACH_BINS + 1
        self.weight = nn.Parameter(torch.zeros(self.bins, CHANNELS * BINS, 1, self.hops))

    def forward(self, coefficients: Tensor) -> Tensor:
        """Tensor[B, 2 * BINS, T] to an estimate of the same shape."""
        grid = coefficients.unflatten(1, (CHANNELS, BINS))
        padded = nn.functional.pad(grid, (0, 0, REACH_BINS, REACH_BINS))
        shifted = [padded[:, :, bin_ : bin_ + BINS].flatten(1, 2) for bin_ in range(self.bins)]
        return sum(
            nn.functional.conv1d(near, weight, padding=REACH_HOPS, groups=CHANNELS * BINS)
            for near, weight in zip(shifted, self.weight, strict=True)
        )


def _mid_side(samples: Tensor) -> Tensor:
    """Left and right to mid and side, or back: Tensor[B, 2, S]."""
    return torch.stack(
        [samples[:, 0] + samples[:, 1], samples[:, 0] - samples[:, 1]], 1
    ) / math.sqrt(2)


def _loudness(spectrum: Tensor) -> Tensor:
    return torch.log10(spectrum.real.square() + spectrum.imag.square() + FLOOR)


def _low(spectrum: Tensor) -> Tensor:
    """Select the individually coded bins: Tensor[B, 2 * HOP, T] to Tensor[B, 2 * BINS, T]."""
    return spectrum.unflatten(1, (CHANNELS, HOP))[:, :, :BINS].flatten(1, 2)


def _high(spectrum: Tensor) -> Tensor:
    """Logarithm to base 10 of the mean power of each band above: Tensor[B, 2 * BANDS, T]."""
    power = spectrum.unflatten(1, (CHANNELS, HOP))[:, :, BINS:].abs().square() / 2
    means = [band.mean(2) for band in power.split(WIDTHS, 2)]
    return torch.log10(torch.stack(means, 2) + QUIET**2).flatten(1, 2)


def _nats(coefficients: Tensor, power: Tensor) -> Tensor:
    """Negative log-likelihood of coefficients under Laplace distributions, without constants."""
    level = torch.exp(power * (math.log(10) / 2))
    return level.log() + math.sqrt(2) * (coefficients.square() + 1e-8).sqrt() / level


def _noise_of(frame: int) -> Tensor:
    """Noise for a frame, always the same for the same number: Tensor[2 * HOP, HOPS]."""
    return torch.randn(CHANNELS * HOP, HOPS, generator=torch.Generator().manual_seed(frame))


def _frames(grid: Tensor) -> Tensor:
    """Tensor[B, 2 * BINS, n * HOPS] to Tensor[B, n, 2 * BINS * HOPS]."""
    return grid.unflatten(2, (-1, HOPS)).transpose(1, 2).flatten(2)


def _grid(frames: Tensor) -> Tensor:
    """Undo `_frames`."""
    return frames.unflatten(2, (-1, HOPS)).transpose(1, 2).flatten(2)


def _softly_chosen(power: Tensor, count: int, softness: float) -> Tensor:
    """Select the largest values of each frame in a differentiable way.

    The selection is a logistic function of the distance to a threshold, at which it sums to
    `count`. The gradient also passes through the threshold, which depends on the values. Otherwise
    all values would simply grow.

    Parameters
    ----------
    power : Tensor[B, n, F]
    count : int
    softness : float
        The width of the logistic function.

    Returns
    -------
    Tensor[B, n, F]
        In [0, 1].
    """
    with torch.no_grad():
        low = power.amin(-1, keepdim=True) - 20 * softness
        high = power.amax(-1, keepdim=True) + 20 * softness
        for _ in range(20):
            middle = (low + high) / 2
            many = torch.sigmoid((power - middle) / softness).sum(-1, keepdim=True) > count
            low, high = torch.where(many, middle, low), torch.where(many, high, middle)
        chosen = torch.sigmoid((power - low) / softness)
        slope = chosen * (1 - chosen)
        slope = slope / slope.sum(-1, keepdim=True).clamp_min(1e-9)
    threshold = low + (slope * (power - power.detach())).sum(-1, keepdim=True)
    return torch.sigmoid((power - threshold) / softness)


def _spectral_distance(samples: Tensor, true: Tensor, windows: list[int]) -> Tensor:
    """Mean absolute difference of spectra in dB, averaged over several window lengths."""
    distances = []
    for size in windows:
        window = torch.hann_window(size, device=true.device)
        spectra = [
            torch.stft(
                x.flatten(0, 1),
                size,
                size // 2,
                window=window,
                normalized=True,
                return_complex=True,
            )
            for x in (samples, true)
        ]
        one, other = (torch.log10(x.real.square() + x.imag.square() + QUIET) for x in spectra)
        distances.append((one - other).abs().mean())
    return 10 * torch.stack(distances).mean()


def _with_context(parts: Iterable[Tensor]) -> Iterator[tuple[int, Tensor, slice]]:
    """Divide numbers into parts with context: the first frame, its numbers, and the part in them.

    Frames are asked for when they are needed, and forgotten afterwards.
    """
    source = iter(parts)
    known, first, start = next(source), 0, 0
    while start < first + len(known):
        while first + len(known) < start + PART + CONTEXT:
            more = next(source, None)
            if more is None:
                break
            known = torch.cat([known, more])
        stop = min(start + PART, first + len(known))
        yield first, known[: stop + CONTEXT - first], slice(start - first, stop - first)
        past = max(0, stop - CONTEXT) - first
        known, first, start = known[past:], first + past, stop


def _parts(count: int) -> Iterator[tuple[slice, slice]]:
    """Divide frames into parts: the frames to read, and which of these belong to the part."""
    for start in range(0, count, PART):
        stop = min(start + PART, count)
        first, last = max(0, start - CONTEXT), min(count, stop + CONTEXT)
        yield slice(first, last), slice(start - first, stop - first)
