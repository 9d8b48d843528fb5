"""Spectra in bands a third of a semitone wide, in which harmonics are at fixed distances."""

import math

import torch
from torch import Tensor, nn

from ostinato.scores.wav import RATE
from ostinato.sound.parts.tuning import tuning

WINDOWS = 8192, 2048
"""Samples of the windows: the long one tells low tones apart, the short one when a tone begins."""
PER_SEMITONE = 3
ABOVE = 44
"""Semitones above the highest key, for the harmonics of high keys."""
IN_TUNE = 0.1
"""Sound is taken to be in tune if it is so many semitones off at the most."""
QUIET = 1e-9
"""Power added before the logarithm: 90 dB below a tone of full scale."""


class Bands(nn.Module):
    """Levels of bands, in spectra of two windows.

    Parameters
    ----------
    hop : int
        Samples from one spectrum to the next. Spectrum i is centred at sample i * hop.
    lowest, keys : int
        The MIDI pitch of the lowest key, and the number of keys.

    Attributes
    ----------
    count : int
        The number of bands. Band 3 * k + 1 is centred at key k, its neighbours a third of a
        semitone below and above.
    """

    def __init__(self, hop: int, lowest: int, keys: int):
        super().__init__()
        self.hop = hop
        self.count = PER_SEMITONE * (keys + ABOVE)
        self.lowest = lowest
        for size in WINDOWS:
            # Not torch.sin: what it returns depends on where in memory its numbers lie.
            window = [math.sin(math.pi * n / size) ** 2 for n in range(size)]
            self.register_buffer(f"window{size}", torch.tensor(window), persistent=False)
            self.register_buffer(f"weights{size}", self._weights(size, 0.0), persistent=False)

    def forward(self, samples: Tensor, tuned: bool = False) -> Tensor:
        """Compute the spectra of sound.

        Parameters
        ----------
        samples : Tensor[B, S]
            One channel. There is silence before and after it.
        tuned : bool
            Whether bands follow the tuning of the sound, of all its channels. Otherwise, they are
            those of concert pitch.

        Returns
        -------
        Tensor[B, S // hop + 1, 2, count]
            The logarithm to base 10 of power; that of a sine of amplitude 1 is 0.
        """
        powers = [self._power(samples, size) for size in WINDOWS]
        weights = [getattr(self, f"weights{size}") for size in WINDOWS]
        if tuned:
            higher = tuning(powers[0].flatten(0, 1), RATE / WINDOWS[0]).item()
            if abs(higher) > IN_TUNE:
                weights = [self._weights(size, higher).to(samples) for size in WINDOWS]
        seen = zip(powers, weights, strict=True)
        return torch.stack([torch.log10(power @ bands + QUIET) for power, bands in seen], 2)

    def _power(self, samples: Tensor, size: int) -> Tensor:
        padded = nn.functional.pad(samples, (size // 2, size // 2))
        spectrum = torch.fft.rfft(
            padded.unfold(-1, size, self.hop) * getattr(self, f"window{size}")
        )
        return (spectrum.real.square() + spectrum.imag.square()) / (size / 4) ** 2

    def _weights(self, size: int, higher: float) -> Tensor:
        """Weights of bins in bands that are so many semitones above concert pitch."""
        band = (torch.arange(-1, self.count + 1).double() - 1) / PER_SEMITONE
        centres = 440 * 2 ** ((self.lowest - 69 + higher + band) / 12)
        return _triangles(centres, size).float()


def _triangles(centres: Tensor, size: int) -> Tensor:
    """Weights of the bins of a spectrum in each band: Tensor[size // 2 + 1, len(centres) - 2].

    A band reaches from the centre of the one below to that of the one above. Where bins are wider
    than bands, a band lies between two bins.
    """
    bins = torch.arange(size // 2 + 1)[:, None]
    below, centre, above = (centres * size / RATE).unfold(0, 3, 1).T
    slopes = torch.minimum((bins - below) / (centre - below), (above - bins) / (above - centre))
    narrow = (1 - (bins - centre).abs()).clamp(min=0)
    return torch.where(above - below < 4, narrow, slopes.clamp(min=0))
