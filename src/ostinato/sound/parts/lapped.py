"""The modulated lapped transform: overlapping blocks whose aliasing cancels."""

import cmath
import math

import torch
from torch import Tensor, nn


class Lapped(nn.Module):
    """A modified discrete cosine transform (MDCT) and the sine transform that goes with it.

    Blocks begin every `hop` samples and are seen through a sine window twice as long. The cosine
    part alone is an orthogonal transform: as many numbers as samples, and perfect reconstruction.
    The cosine and sine parts together are the modulated complex lapped transform (Malvar 1999). Its
    squared magnitude is the power at a frequency, whatever the phase.

    Parameters
    ----------
    hop : int
        Samples from one block to the next. The frequency of bin k is (k + 1/2) / (2 * hop) of the
        sample rate.
    bins : int
        How many bins are computed, from the lowest on. The others are taken to be silent.
    """

    def __init__(self, hop: int, bins: int):
        super().__init__()
        self.hop, self.bins = hop, bins
        # Not torch.sin: what it returns depends on where in memory its numbers lie.
        window = [math.sin(math.pi * (n + 0.5) / (2 * hop)) for n in range(2 * hop)]
        turn, length = -math.pi * (0.5 + hop / 2) / hop, math.sqrt(2 / hop)
        phase = [cmath.rect(length, turn * (k + 0.5)) for k in range(bins)]
        self.register_buffer("window", torch.tensor(window), persistent=False)
        self.register_buffer("phase", torch.tensor(phase), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Transform samples.

        Parameters
        ----------
        samples : Tensor[..., (blocks + 1) * hop]
            Block i reads the samples from i * hop to (i + 2) * hop.

        Returns
        -------
        Tensor[..., blocks, bins] of complex64
            The real part is the MDCT.
        """
        seen = samples.unfold(-1, 2 * self.hop, self.hop) * self.window
        # The bins of this transform are the odd bins of an FFT twice as long as the window.
        return torch.fft.rfft(seen, 4 * self.hop)[..., 1 : 2 * self.bins : 2] * self.phase

    def inverse(self, coefficients: Tensor) -> Tensor:
        """Reconstruct samples from MDCT coefficients, or from complex ones.

        Parameters
        ----------
        coefficients : Tensor[..., blocks, bins or fewer]
            Real: the MDCT. Complex: both parts; each is inverted, and the results are averaged.

        Returns
        -------
        Tensor[..., (blocks + 1) * hop]
            The first and the last `hop` samples are incomplete.
        """
        if coefficients.is_complex():
            coefficients = coefficients / 2
        odd = coefficients * self.phase[: coefficients.shape[-1]].conj()
        spread = torch.stack([torch.zeros_like(odd), odd], -1).flatten(-2)
        blocks = torch.fft.irfft(spread, 4 * self.hop)[..., : 2 * self.hop]
        blocks = blocks * (2 * self.hop * self.window)
        first, second = blocks.split(self.hop, -1)
        pad = torch.zeros_like(first[..., :1, :])
        summed = torch.cat([first, pad], -2) + torch.cat([pad, second], -2)
        return summed.flatten(-2)
