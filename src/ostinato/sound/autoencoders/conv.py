"""The convolutional autoencoder: what sounds in a few numbers, and the waveform where it matters.

A frame of 512 numbers has two parts. The *content*, 64 numbers, goes through convolutions to a
smooth picture of the loudness of every bin of a lapped transform. That picture chooses the bins
that are worth a number, the same ones when encoding as when decoding, so that no number is spent on
saying which they are. The *details*, 448 numbers, are the coefficients of these bins, relative to
the loudness expected there. Of all other bins an estimate is made from their neighbours; the quiet
ones and all above 6.4 kHz sound as noise of the expected loudness.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ostinato.core.schema import Positive, Schema
from ostinato.sound.autoencoders import SIZE
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.parts.lapped import Lapped
from ostinato.sound.parts.principal import principal_axes

HOPS = 5
"""Blocks of the transform in a frame."""
HOP = FRAME // HOPS
BINS = 640
"""Bins of the transform that are coded one by one, up to 6.4 kHz."""
BANDS = 24
"""Bands above them, of which only the loudness is coded; they sound as noise."""
FLOOR = 1e-3
"""Power that is added to every bin before the logarithm, so that what is inaudible is all alike."""
SPAN = math.sqrt(HOPS * CHANNELS * BINS)
"""Square root of the number of loudnesses in a frame."""
SOFTNESS = 0.25
"""How softly bins are chosen in training, in powers of ten."""
REACH_HOPS, REACH_BINS = 1, 2
"""How far the neighbours of a bin lie that its estimate is made from."""
PART, CONTEXT = 240, 4
"""Frames that are encoded or decoded at a time, and how many on each side they can depend on."""
WINDOWS = (512, 2048, 8192)
"""Samples of the windows in which spectra are compared."""
NOISE_MARGIN, NOISE_LEVEL = 2.0, 0.5
"""Bins that are quieter than the quietest one with a number, by so many powers of ten, sound as
noise of this share of their loudness: heard, but too quiet to matter to the waveform."""
EAR = 0.3
"""Weight of the spectra in the loss, beside the error of the waveform."""
EAR_CROPS = 8
"""Crops of a batch whose spectra are compared."""
LIKELIHOOD = 0.5
"""Weight of the nats of a coefficient under a Laplace distribution of the expected power."""
KNOTS, LOWEST, STEP = 33, -10.0, 0.5
"""Where the true level of bins is measured, in powers of ten of what was expected of them."""
QUIET = 1e-6
"""Power that is added to a spectrum before the logarithm."""
PROJECTIONS = 60
"""How often phases are made to agree."""


class Params(Schema):
    """Sizes.

    Attributes
    ----------
    content : int
        Numbers of a frame that say what sounds; the rest of the 512 are coefficients.
    width : int
        Channels of the convolutions.
    """

    content: Annotated[int, Field(ge=1, le=256)]
    width: Positive


class Autoencoder(nn.Module):
    """See the module.

    Attributes
    ----------
    content : int
        How many numbers of a frame, from the first on, say what sounds. Their differences are in
        dB: the distance of two contents is about the root mean square difference of the loudness
        of all bins.
    overlap : int
        Samples that its training crops need beyond whole frames.
    """

    overlap = HOP

    def __init__(self, params: Params):
        super().__init__()
        self.content = params.content
        self.details = SIZE - params.content
        channels, width, content = CHANNELS * BINS, params.width, params.content
        self.lapped = Lapped(HOP, HOP)
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("high_mean", torch.zeros(CHANNELS * BANDS, 1))
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
        """Start as the best linear picture: principal components of the loudness of frames.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + HOP]
            Sound for training.
        """
        spectra = [self._spectrum(part) for part in samples.split(32)]
        loudness = torch.cat([_loudness(_low(part)) for part in spectra])
        self.mean.copy_(loudness.mean((0, 2))[:, None])
        self.high_mean.copy_(torch.cat([_high(part) for part in spectra]).mean((0, 2))[:, None])
        rows = _frames(loudness - self.mean).flatten(0, 1)
        _, axes = principal_axes(rows, self.content)
        self.spread.copy_((rows @ axes).std(0)[:, None] * 10 / SPAN)
        kernels = axes.T.unflatten(1, (-1, HOPS))
        self.down.weight.copy_(kernels * 10 / SPAN)
        self.up.weight.copy_(kernels * SPAN / 10)

    @torch.no_grad()
    def finish(self, samples: Tensor) -> None:
        """Measure how loud bins really are, given what is expected of them.

        The choice of bins makes the trained picture steeper than the truth, which does no harm to
        the choice, but to whatever is played from the picture alone.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + HOP]
            Sound for training.
        """
        count = torch.ones(KNOTS)
        total = torch.full((KNOTS,), 10**LOWEST)
        for part in samples.split(32):
            spectrum = self._spectrum(part)
            power, _ = self._power(self._content(spectrum))
            knot = ((power - LOWEST) / STEP).round().long().clamp(0, KNOTS - 1).flatten()
            count.index_add_(0, knot, torch.ones(len(knot)))
            total.index_add_(0, knot, _low(spectrum).real.square().flatten())
        self.levels.copy_(torch.log10(total / count).cummax(0).values)

    def forward(self, samples: Tensor) -> Tensor:
        """The loss: errors of waveform and spectra in dB, and how well loudness is foretold.

        Bins are chosen softly here, so that the choice can be learned.

        Parameters
        ----------
        samples : Tensor[B, 2, frames * FRAME + HOP]
            In [-1, 1].
        """
        with torch.no_grad():
            spectrum = self._spectrum(samples)
        power, high = (part.float() for part in self._power(self._content(spectrum)))
        true = _low(spectrum).real
        chosen = _grid(_softly_chosen(_frames(power), self.details))
        sent = true * chosen
        guess = sent + (1 - chosen) * self.neighbours(sent)
        error = (guess - true).square().sum() / true.square().sum().clamp_min(1e-9)
        unlikely = _nats(true, power).mean() + _nats(10 ** (_high(spectrum) / 2), high).mean()
        few = slice(EAR_CROPS)
        noise = torch.randn(spectrum[few].shape)
        heard = self._with_noise(guess[few], power[few], high[few], noise)
        ear = _spectral_distance(self._samples(heard), samples[few, :, HOP:-HOP])
        return 10 * torch.log10(error) + EAR * ear + LIKELIHOOD * unlikely

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Turn sound into numbers.

        Parameters
        ----------
        samples : Tensor[2, S]
            In [-1, 1].

        Returns
        -------
        Tensor[ceil((S + HOP) / FRAME), 512]
            Each frame's content, then its details, those of the loudest expected bins first.
        """
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
    def decode(self, numbers: Tensor) -> Tensor:
        """Turn numbers into sound.

        Parameters
        ----------
        numbers : Tensor[frames, 512]

        Returns
        -------
        Tensor[2, frames * FRAME - HOP]
        """
        sound = []
        for outer, inner in _parts(len(numbers)):
            content, details = numbers[None, outer].split([self.content, self.details], -1)
            places, levels = self._choice(content.mT)
            power, high = self._power(content.mT)
            empty = details.new_zeros(1, details.shape[1], CHANNELS * BINS * HOPS)
            sent = _grid(empty.scatter(-1, places, details * levels))
            chosen = _grid(empty.scatter(-1, places, 1.0))
            guess = sent + (1 - chosen) * self.neighbours(sent)
            noise = torch.cat([_noise_of(frame) for frame in range(outer.start, outer.stop)], 1)
            heard = self._with_noise(guess, power, high, noise[None])
            # One block of the frame after completes the last samples of these.
            sound.append(self._samples(heard[..., inner.start * HOPS : inner.stop * HOPS + 1])[0])
        return torch.cat(sound, 1)

    @torch.no_grad()
    def complete(self, content: Tensor, begun: Tensor) -> Tensor:
        """Find details for contents that go on from a sound, so that its tones go on.

        What the contents say is how loud each bin is; phases that agree with one another and with
        the sound before are found by going back and forth between spectra of that loudness and
        spectra of a sound (Griffin and Lim 1984).

        Parameters
        ----------
        content : Tensor[frames, content]
            Those of the sound, then those that follow.
        begun : Tensor[2, n * FRAME]
            The sound, at most 240 frames of it.

        Returns
        -------
        Tensor[frames, 512]
        """
        known = _low(self._spectrum(nn.functional.pad(begun, (HOP, 0))[None]))
        given = known.shape[2]
        numbers = []
        for outer, inner in _parts(len(content)):
            part = content[None, outer].mT
            power = self._power(part)[0][..., inner.start * HOPS : inner.stop * HOPS]
            loudness = math.sqrt(2) * 10 ** (self._level(power[..., given:]) / 2)
            following = self._follow(known[..., -CONTEXT * HOPS :], loudness, outer.start)
            known = torch.cat([known, following], 2)[..., -power.shape[2] :]
            places, levels = (x[:, inner] for x in self._choice(part))
            details = _frames(known.real).gather(-1, places) / levels
            numbers.append(torch.cat([part.mT[:, inner], details], -1)[0])
            given = 0
        return torch.cat(numbers)

    def _follow(self, known: Tensor, loudness: Tensor, seed: int) -> Tensor:
        """Go on from blocks that are known with a loudness that is wanted.

        Complex Tensor[1, 2 * BINS, T] and Tensor[1, 2 * BINS, n] to complex
        Tensor[1, 2 * BINS, n].
        """
        count = known.shape[2]
        random = torch.rand(loudness.shape, generator=torch.Generator().manual_seed(seed))
        phase = 2 * math.pi * random
        for _ in range(PROJECTIONS):
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
        """Expected powers, as powers of ten, from Tensor[B, content, n].

        Of all bins, Tensor[B, 2 * BINS, T], and of all bands, Tensor[B, 2 * BANDS, T].
        """
        change = self.decoder(content / self.spread)
        low, high = change.split([CHANNELS * BINS, CHANNELS * BANDS], 1)
        return self.up(content) + low + self.mean, high + self.high_mean

    def _choice(self, content: Tensor) -> tuple[Tensor, Tensor]:
        """Places in a frame whose coefficients are kept, the loudest first, and their levels.

        A place's rank decides where its number stands: rounding can then do no more than exchange
        two bins of the same loudness.
        """
        power, places = _frames(self._power(content)[0]).topk(self.details, -1)
        return places, 10 ** (self._level(power) / 2)

    def _level(self, power: Tensor) -> Tensor:
        """What power is to be expected where the picture says `power`."""
        place = ((power - LOWEST) / STEP).clamp(0, KNOTS - 1.001)
        below = place.floor()
        knot = below.long()
        return torch.lerp(self.levels[knot], self.levels[knot + 1], place - below)

    def _with_noise(self, guess: Tensor, power: Tensor, high: Tensor, noise: Tensor) -> Tensor:
        """Add noise to the quiet bins and above them: Tensor[B, 2 * HOP, T]."""
        low_noise, high_noise = noise.unflatten(1, (CHANNELS, HOP)).split([BINS, HOP - BINS], 2)
        frames = _frames(power)
        least = frames.topk(self.details, -1).values[..., -1:] - NOISE_MARGIN
        quiet = _grid((frames < least).to(power.dtype))
        filled = guess + NOISE_LEVEL * quiet * low_noise.flatten(1, 2) * 10 ** (
            self._level(power) / 2
        )
        levels = 10 ** (high / 2).unflatten(1, (CHANNELS, BANDS))
        levels = levels.repeat_interleave(_widths(), 2)
        both = [filled.unflatten(1, (CHANNELS, BINS)), high_noise * levels]
        return torch.cat(both, 2).flatten(1, 2)


class Neighbours(nn.Module):
    """An estimate of each coefficient from those around it, by weights of its own."""

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
    """Left and right to middle and side, or back: Tensor[B, 2, S]."""
    return torch.stack(
        [samples[:, 0] + samples[:, 1], samples[:, 0] - samples[:, 1]], 1
    ) / math.sqrt(2)


def _loudness(spectrum: Tensor) -> Tensor:
    return torch.log10(spectrum.real.square() + spectrum.imag.square() + FLOOR)


def _low(spectrum: Tensor) -> Tensor:
    """The bins that are coded one by one: Tensor[B, 2 * HOP, T] to Tensor[B, 2 * BINS, T]."""
    return spectrum.unflatten(1, (CHANNELS, HOP))[:, :, :BINS].flatten(1, 2)


def _high(spectrum: Tensor) -> Tensor:
    """Mean power of the bands above, as a power of ten: Tensor[B, 2 * BANDS, T]."""
    power = spectrum.unflatten(1, (CHANNELS, HOP))[:, :, BINS:].abs().square() / 2
    means = [band.mean(2) for band in power.split(_widths().tolist(), 2)]
    return torch.log10(torch.stack(means, 2) + QUIET**2).flatten(1, 2)


def _widths() -> Tensor:
    """Bins of each band."""
    return torch.linspace(BINS, HOP, BANDS + 1).round().long().diff()


def _nats(coefficients: Tensor, power: Tensor) -> Tensor:
    """Surprise at coefficients, Laplace-distributed, without what is constant."""
    level = torch.exp(power * (math.log(10) / 2))
    return level.log() + math.sqrt(2) * (coefficients.square() + 1e-8).sqrt() / level


def _noise_of(frame: int) -> Tensor:
    """Noise of a frame, always the same: Tensor[2 * HOP, HOPS]."""
    return torch.randn(CHANNELS * HOP, HOPS, generator=torch.Generator().manual_seed(frame))


def _frames(grid: Tensor) -> Tensor:
    """Tensor[B, 2 * BINS, n * HOPS] to Tensor[B, n, 2 * BINS * HOPS]."""
    return grid.unflatten(2, (-1, HOPS)).transpose(1, 2).flatten(2)


def _grid(frames: Tensor) -> Tensor:
    """Undo `_frames`."""
    return frames.unflatten(2, (-1, HOPS)).transpose(1, 2).flatten(2)


def _softly_chosen(power: Tensor, count: int) -> Tensor:
    """Choose the largest values of each frame in a way that has a gradient.

    A logistic function of the distance to a threshold at which the choices sum to `count`. The
    threshold moves with the values, and so does its gradient, or all of them would just grow.

    Parameters
    ----------
    power : Tensor[B, n, F]
    count : int

    Returns
    -------
    Tensor[B, n, F]
        In [0, 1].
    """
    with torch.no_grad():
        low = power.amin(-1, keepdim=True) - 20 * SOFTNESS
        high = power.amax(-1, keepdim=True) + 20 * SOFTNESS
        for _ in range(20):
            middle = (low + high) / 2
            many = torch.sigmoid((power - middle) / SOFTNESS).sum(-1, keepdim=True) > count
            low, high = torch.where(many, middle, low), torch.where(many, high, middle)
        chosen = torch.sigmoid((power - low) / SOFTNESS)
        slope = chosen * (1 - chosen)
        slope = slope / slope.sum(-1, keepdim=True).clamp_min(1e-9)
    threshold = low + (slope * (power - power.detach())).sum(-1, keepdim=True)
    return torch.sigmoid((power - threshold) / SOFTNESS)


def _spectral_distance(samples: Tensor, true: Tensor) -> Tensor:
    """Mean difference of spectra in dB, over windows of several lengths."""
    distances = []
    for size in WINDOWS:
        window = torch.hann_window(size)
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


def _parts(count: int) -> Iterator[tuple[slice, slice]]:
    """Cut frames into parts: which to look at, and which of those are the part's own."""
    for start in range(0, count, PART):
        stop = min(start + PART, count)
        first, last = max(0, start - CONTEXT), min(count, stop + CONTEXT)
        yield slice(first, last), slice(start - first, stop - first)
