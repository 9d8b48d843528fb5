"""The modulated lapped transform: overlapping frames that cancel each other's borders."""

import math

import torch
from torch import Tensor, nn


class Lapped(nn.Module):
    """A modified discrete cosine transform (MDCT) and the sine transform that goes with it.

    Each block of `hop` samples is seen through a sine window twice as long. The cosine part alone
    is an orthogonal transform: as many numbers as samples, and perfect reconstruction. Cosine and
    sine parts together are the modulated complex lapped transform (Malvar 1999), whose squared
    magnitude says how loud a frequency is whatever its phase.

    Parameters
    ----------
    hop : int
        Samples from one block to the next; bin k lies at (k + 1/2) / 2 of the rate over `hop`.
    bins : int
        How many bins are computed, from the lowest on; the others count as silent.
    """

    def __init__(self, hop: int, bins: int):
        super().__init__()
        self.hop, self.bins = hop, bins
        n = torch.arange(2 * hop, dtype=torch.float64)
        k = torch.arange(bins, dtype=torch.float64)
        window = torch.sin(math.pi * (n + 0.5) / (2 * hop))
        angle = -math.pi * (0.5 + hop / 2) * (k + 0.5) / hop
        phase = torch.polar(torch.full_like(k, math.sqrt(2 / hop)), angle)
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("phase", phase.to(torch.complex64), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Transform samples.

        Parameters
        ----------
        samples : Tensor[..., (blocks + 1) * hop]
            Block i reads samples from i * hop to (i + 2) * hop.

        Returns
        -------
        Tensor[..., blocks, bins] of complex64
            The real part is the MDCT.
        """
        seen = samples.unfold(-1, 2 * self.hop, self.hop) * self.window
        # The odd bins of a transform twice as long lie half-way between those of this one.
        return torch.fft.rfft(seen, 4 * self.hop)[..., 1 : 2 * self.bins : 2] * self.phase

    def inverse(self, coefficients: Tensor) -> Tensor:
        """Go back from MDCT coefficients, or from complex ones, to samples.

        Parameters
        ----------
        coefficients : Tensor[..., blocks, bins or fewer]
            Real: the MDCT. Complex: both parts, each of which is inverted, and the mean taken.

        Returns
        -------
        Tensor[..., (blocks + 1) * hop]
            All samples but the first and last `hop` are complete.
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
