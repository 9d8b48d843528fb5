"""How far music is tuned above or below concert pitch, where A4 has 440 Hz."""

import math

import torch
from torch import Tensor

LOW, HIGH = 150.0, 2000.0
"""Bounds of the frequencies that are heard, in Hz."""
FAINTEST = 7.0
"""Tones that are so much fainter than the loudest one at the same time do not count, as the natural
logarithm of power: 30 dB."""
NEVER = 1e-12
"""Power added before the logarithm."""


def tuning(power: Tensor, spacing: float) -> Tensor:
    """Measure the tuning of a sound.

    The mean, on a circle, of how far peaks of spectra are from the nearest key. Loud ones count
    more.

    Parameters
    ----------
    power : Tensor[T, bins]
        Spectra with a Hann window.
    spacing : float
        From one bin to the next, in Hz.

    Returns
    -------
    Tensor[]
        In semitones, from -0.5 to 0.5. 0 in silence.
    """
    first, last = math.ceil(LOW / spacing), math.floor(HIGH / spacing)
    levels = (power[:, first - 1 : last + 1] + NEVER).log()
    below, at, above = levels.unfold(1, 3, 1).unbind(2)
    peaks = (at > below) & (at > above) & (at > levels.amax(1, keepdim=True) - FAINTEST)
    place = torch.arange(first, last, device=power.device).expand_as(at)[peaks]
    places = place + top(below[peaks], at[peaks], above[peaks])
    angles = 2 * math.pi * 12 * (places * spacing / 440).log2()
    loudness = (at[peaks] / 2).exp()
    return torch.atan2((loudness * angles.sin()).sum(), (loudness * angles.cos()).sum()) / (
        2 * math.pi
    )


def top(before: Tensor | float, at: Tensor | float, after: Tensor | float) -> Tensor | float:
    """Find the top of a parabola through three values one apart, from the middle one."""
    return 0.5 * (before - after) / (before - 2 * at + after)
