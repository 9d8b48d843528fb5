"""Listening to notes: how loud and how well in tune their harmonics are, as they sound and after.

What is measured here is what the player learns from; nothing is learned here.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.sound.parts import tones
from ostinato.sound.parts.tones import BINS, Notes, Tones
from ostinato.sound.parts.tuning import tuning

SINCE_START, SINCE_END = (0, 1, 2, 4, 8, 16, 32), (2, 6, 12)
"""Hops after the beginning and the end of a heard note at which it is measured."""
TIMES = len(SINCE_START) + len(SINCE_END)
HARMONICS = 20
"""So many harmonics are measured."""
NEVER = 1e-12
"""Power added before the logarithm."""
QUANTILE = 0.1
"""What is there at all times: this quantile of the power of a band."""
STILL = 3
"""Hops after its end in which a note still hides others."""
TUNED_AFTER, FARTHEST = 6, 60.0
"""The hop of a heard note at which its tuning is measured, and the most that is believed, in
cents."""


class Heard(NamedTuple):
    """What was heard.

    Attributes
    ----------
    keys : Tensor[G] of int64
    lengths : Tensor[G]
        Of the notes, in hops.
    levels : Tensor[G, 10, 20]
        Of harmonics at times after the beginning and the end: logarithms of power, relative to
        `level`. What is measured before a time stands for it where the note is over.
    hidden, gone : Tensor[G, 10, 20], Tensor[G, 10]
        1 where another note has a partial nearby, and where the time is outside of what was heard.
    tuning : Tensor[]
        How much higher all is than concert pitch, in semitones.
    cents : Tensor[G, 20]
        By how much harmonics are higher than those of an equally tempered scale of this tuning.
    bands : Tensor[G, 10, 24]
        Levels of bands.
    floor : Tensor[24]
        Of each band, the level that is there at all times.
    level : Tensor[]
        The logarithm of the mean power.
    """

    keys: Tensor
    lengths: Tensor
    levels: Tensor
    hidden: Tensor
    gone: Tensor
    tuning: Tensor
    cents: Tensor
    bands: Tensor
    floor: Tensor
    level: Tensor


class Example(NamedTuple):
    """What was heard, notes, and their true spectra.

    Attributes
    ----------
    heard : Heard
    notes : Notes
        In hops since the centre of the first spectrum.
    power : Tensor[T, BINS]
        Relative to the level of what was heard.
    """

    heard: Heard
    notes: Notes
    power: Tensor


def listen(geometry: Tones, samples: Tensor, notes: Notes) -> Heard:
    """Measure notes in a sound.

    Parameters
    ----------
    geometry : Tones
    samples : Tensor[S]
        One channel, not silent.
    notes : Notes
        At least one. Times are in hops since the first sample.

    Returns
    -------
    Heard
    """
    edge = samples.new_zeros(tones.WINDOW // 2)
    power = geometry.power(torch.cat([edge, samples, edge]))
    level = power.sum(1).mean().log()
    heard = (power + NEVER).log() - level
    in_bands = geometry.in_bands(power)
    bands = (in_bands + NEVER).log() - level
    count = len(power)
    tuned = tuning(power, tones.SPACING)
    harmonics = torch.arange(1, HARMONICS + 1, device=samples.device)
    wanted = geometry.frequencies[notes.keys, len(tones.BETWEEN)][:, None] * harmonics
    wanted = wanted * 2 ** (tuned / 12)
    places = (wanted / tones.SPACING).round().long().clamp(1, BINS - 2)
    time = torch.arange(count, device=samples.device)
    sounds = (time >= notes.starts[:, None].round()) & (time < notes.ends[:, None].round() + STILL)
    # How many notes have a harmonic in each bin, at each time.
    taken = heard.new_zeros(count, BINS)
    for beside in (-1, 0, 1):
        spread = heard.new_zeros(len(places), BINS).scatter(1, places + beside, 1.0)
        taken += sounds.to(heard.dtype).T @ spread
    levels, hidden, gone, around = [], [], [], []
    for base, ages, own in ((notes.starts, SINCE_START, 1), (notes.ends, SINCE_END, 0)):
        for age in ages:
            when = (base.round() + age).long()
            missed = (when < 0) | (when >= count)
            if own:
                missed |= when > notes.ends.round()
            row = when.clamp(0, count - 1)
            near = torch.stack([heard[row[:, None], places + beside] for beside in (-1, 0, 1)])
            level_then = near.amax(0)
            if own:  # the window may have seen it for a shorter time
                level_then = level_then - 2 * tones.share_seen(torch.tensor(float(age))).log()
            if levels:
                level_then = torch.where(missed[:, None], levels[-1], level_then)
            levels.append(level_then)
            # It hides itself as long as it is taken to sound.
            itself = own or age < STILL
            hidden.append(taken[row[:, None], places] > itself)
            gone.append(missed)
            around.append(bands[row])
    row = torch.minimum(notes.starts + TUNED_AFTER, notes.ends).round().long().clamp(0, count - 1)
    return Heard(
        notes.keys,
        notes.ends - notes.starts,
        torch.stack(levels, 1),
        torch.stack(hidden, 1).to(heard.dtype),
        torch.stack(gone, 1).to(heard.dtype),
        tuned,
        _cents(heard[row], wanted, places),
        torch.stack(around, 1),
        (torch.quantile(in_bands, QUANTILE, 0) + NEVER).log() - level,
        level,
    )


def _cents(spectra: Tensor, wanted: Tensor, places: Tensor) -> Tensor:
    """Find how far peaks near harmonics are from them: Tensor[G, BINS] to Tensor[G, 20]."""
    near = torch.stack([spectra.gather(1, places + beside) for beside in (-1, 0, 1)])
    places = places + near.argmax(0) - 1
    left, top, right = (spectra.gather(1, (places + b).clamp(0, BINS - 1)) for b in (-1, 0, 1))
    # As far as the top of a parabola through three levels; to the louder side, if there is none.
    curved = (left - 2 * top + right).clamp(max=-1e-3)
    found = (places + (0.5 * (left - right) / curved).clamp(-0.5, 0.5)) * tones.SPACING
    cents = (1200 * (found / wanted).log2()).clamp(-FARTHEST, FARTHEST)
    return cents.masked_fill(wanted > tones.HIGH, 0.0)
