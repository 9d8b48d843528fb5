"""The player: plays new notes as those were played that were heard.

It hears ten seconds of sound whose notes are known, or found by the transcriber. For each note that
was heard, the levels of its harmonics are measured at some times after its beginning and its end,
and where other notes hide them. A note to play attends to these (Vaswani et al. 2017): its network
says how loud its partials and its noise are as time goes on.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core.schema import Positive, Schema
from ostinato.sound.parts import tones
from ostinato.sound.parts.listening import (
    HARMONICS,
    SINCE_END,
    SINCE_START,
    TIMES,
    Example,
    Heard,
)
from ostinato.sound.parts.tones import BANDS, FREE, KEYS, TAIL, Levels, Mix, Notes, Tones

UNIT = 4.0
"""Levels are divided by this for networks."""
PERIODS = 4, 8, 16, 32, 64, 128
"""Periods of sines and cosines that tell keys, in semitones."""
RATES = 1, 2, 4, 8, 16, 32, 64, 128
"""Time constants of exponentials that tell times, in hops."""
QUIET = 1e-8
"""Power added before spectra are compared."""
RATIO_WEIGHT, RATIO_MOST = 0.1, 20.0
"""Weight of the Itakura-Saito distance in the loss, and the largest one of a bin."""
HEADS = 4
CENTS, STIFF = 30.0, 1e-4
"""How far a note may be out of tune, and the unit of the inharmonicity of strings."""


class Params(Schema):
    """Sizes.

    Attributes
    ----------
    width : int
        Of what a note says of itself.
    hidden : int
        Of the hidden layers.
    """

    width: Positive
    hidden: Positive


class Voices(NamedTuple):
    """How notes are to sound.

    Attributes
    ----------
    about : Tensor[N, n]
        Everything that is known of them.
    copied : Tensor[N, 200]
        Levels of their harmonics at measured times, divided by `UNIT`.
    cents : Tensor[N, 20]
        By how much these are higher than those of an equally tempered scale, divided by `CENTS`.
    tuning : Tensor[N]
        How much higher this scale is than concert pitch, in semitones.
    """

    about: Tensor
    copied: Tensor
    cents: Tensor
    tuning: Tensor


TUNED = SINCE_START.index(8)
"""The measured time at which what hides harmonics hides their tuning."""
FEATURES = TIMES * (2 * HARMONICS + BANDS + 1) + HARMONICS


class Model(nn.Module):
    """Plays notes; see the docstring of the module."""

    def __init__(self, params: Params):
        super().__init__()
        width, hidden = params.width, params.hidden
        self.width = width
        self.tones = Tones()
        about = 1 + 2 * len(PERIODS)
        self.memory = nn.Sequential(
            nn.Linear(FEATURES + about + 1, hidden), nn.GELU(), nn.Linear(hidden, width), nn.GELU()
        )
        self.wanted = nn.Sequential(nn.Linear(about + 1, width), nn.GELU(), nn.Linear(width, width))
        self.key = nn.Linear(width + about, width)
        self.value = nn.Linear(width, width)
        self.alike = nn.Linear(width + about, width)
        self.apart = nn.Parameter(torch.tensor(0.2))
        self.trusted = nn.Parameter(torch.zeros(HARMONICS))
        self.covered = nn.Parameter(torch.tensor([-2.0, -4.0]))
        self.note = nn.Linear(width + about + 1 + TIMES * HARMONICS + HARMONICS + 1, hidden)
        self.time = nn.Linear(2 * len(RATES) + 3, hidden, bias=False)
        self.sound = nn.Sequential(
            nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, FREE + 2 * BANDS)
        )
        self.tuning = nn.Sequential(
            nn.Linear(width + about + HARMONICS, hidden // 4),
            nn.GELU(),
            nn.Linear(hidden // 4, 2),
        )
        self.change = nn.Sequential(
            nn.Linear(BANDS, hidden // 4), nn.GELU(), nn.Linear(hidden // 4, BANDS)
        )
        for last in (self.tuning[-1], self.change[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        with torch.no_grad():
            own, envelope, noise = self.sound[-1].bias.split([FREE, BANDS, BANDS])
            own.zero_()
            own[: len(tones.BETWEEN)] = -2.0
            envelope.copy_(torch.linspace(-3.0, -9.0, BANDS))
            noise.fill_(-12.0)

    def forward(self, examples: list[Example]) -> Tensor:
        """Compute the distance of expected from true spectra, averaged over examples.

        Returns
        -------
        Tensor[]
            The mean absolute difference of the logarithms of power, with all parts of the mel scale
            counted alike, and a tenth of the Itakura-Saito distance.
        """
        return torch.stack([self._distance(*example) for example in examples]).mean()

    def _distance(self, heard: Heard, notes: Notes, power: Tensor) -> Tensor:
        count = len(power)
        knots, ages, mix, note, row = _seen(notes, count)
        voices = self.voices(heard, notes)
        after = ages - (notes.ends - notes.starts)[knots]
        tonal, noise = self.tones.expected(
            self.levels(voices, notes.keys, knots, ages, after),
            self.frequencies(voices, notes.keys),
            note,
            row,
            mix,
            count,
        )
        noise = (noise + self.floor(heard)) @ self.tones.bands + QUIET
        # Of what is noise in truth, most bins are below the mean.
        ours, true = (tonal + tones.MEDIAN * noise).log(), (power + QUIET).log()
        ratio = true - (tonal + noise).log()
        ratio = (ratio.exp() - ratio - 1).clamp(max=RATIO_MOST)
        distance = (ours - true).abs() + RATIO_WEIGHT * ratio
        return distance.mean(0) @ self.tones.importance

    def floor(self, heard: Heard) -> Tensor:
        """Compute the power of noise that is there at all times: Tensor[24]."""
        return (heard.floor + self.change(heard.floor / UNIT)).exp()

    def voices(self, heard: Heard, notes: Notes) -> Voices:
        """Say how notes are to sound, from those that were heard."""
        keys = _about(heard.keys, heard.levels)
        levels, bands = heard.levels / UNIT, heard.bands / UNIT
        features = (levels, heard.hidden, bands, heard.gone, heard.cents / CENTS)
        flat = [part.flatten(1) for part in features]
        memory = self.memory(torch.cat([*flat, keys, _length(heard.lengths)], 1))
        about = torch.cat([_about(notes.keys, levels), _length(notes.ends - notes.starts)], 1)
        wanted, offered = self.wanted(about), torch.cat([memory, keys], 1)
        split = (wanted, self.key(offered), self.value(memory))
        heads = [part.unflatten(1, (HEADS, -1)).transpose(0, 1)[None] for part in split]
        found = nn.functional.scaled_dot_product_attention(*heads)[0].transpose(0, 1).flatten(1)
        # Levels and tuning are those of similar notes, where these are heard well.
        likeness = wanted @ self.alike(offered).T / math.sqrt(self.width)
        apart = (heard.keys - notes.keys[:, None]).to(levels.dtype)
        likeness = (likeness.to(levels.dtype) - self.apart * apart.abs())[:, :, None]
        covered = heard.hidden * self.covered[0] + heard.gone[..., None] * self.covered[1]
        weights = (likeness + covered.flatten(1)).softmax(1)
        copied = (weights * levels.flatten(1)).sum(1)
        tuned = covered[:, TUNED]
        weights = (likeness + tuned).softmax(1)
        cents = (weights * heard.cents).sum(1) / CENTS
        away = (weights.mean(2) * apart).sum(1, keepdim=True) / 12
        tuned = heard.tuning.expand(len(cents))
        return Voices(torch.cat([found, about, copied, cents, away], 1), copied, cents, tuned)

    def frequencies(self, voices: Voices, keys: Tensor) -> Tensor:
        """Compute the frequencies of the partials of notes, in Hz: Tensor[N, 100]."""
        found = voices.about[:, : self.width]
        seen = torch.cat([found, _about(keys, found), voices.cents], 1)
        tuning = self.tuning(seen).to(voices.cents.dtype)
        cents, stiffness = tuning.split(1, 1)
        first = len(tones.BETWEEN)
        absent = ~self.tones.there[keys, first : first + HARMONICS]
        trust = self.trusted.expand(absent.shape).masked_fill(absent, -math.inf).softmax(1)
        mean = (voices.cents * trust).sum(1, keepdim=True)
        tuned = 2 ** (voices.tuning[:, None] / 12 + CENTS * (mean + cents.tanh()) / 1200)
        stretched = STIFF * nn.functional.softplus(3 * stiffness - 1)
        # The inharmonicity of a stiff string (Fletcher 1964).
        stretch = (1 + stretched * self.tones.multiples.square()).sqrt()
        return self.tones.frequencies[keys] * tuned * stretch

    def levels(
        self, voices: Voices, keys: Tensor, note: Tensor, age: Tensor, after: Tensor
    ) -> Levels:
        """Say how loud notes are at some times.

        Parameters
        ----------
        voices : Voices
            Of N notes.
        keys : Tensor[N] of int64
        note : Tensor[P] of int64
            The note of each time.
        age, after : Tensor[P]
            Hops since the beginning and since the end, which is negative before it.

        Returns
        -------
        Levels
        """
        # Not in half precision, if training is.
        sound = self.sound(self.note(voices.about)[note] + self.time(_times(age, after)))
        own, envelope, noise = sound.to(age.dtype).split([FREE, BANDS, BANDS], 1)
        measured = voices.copied.unflatten(1, (TIMES, -1))[note]
        copied = UNIT / 2 * (_between(age, after)[:, None] @ measured)[:, 0]
        return self.tones.levels(keys[note], copied, own, envelope, noise)


def _seen(notes: Notes, count: int) -> tuple[Tensor, Tensor, Mix, Tensor, Tensor]:
    """Find what spectra see of notes.

    Parameters
    ----------
    notes : Notes
        In hops since the centre of the first spectrum.
    count : int
        The number of spectra.

    Returns
    -------
    knots : Tensor[K] of int64
        The note of each knot.
    ages : Tensor[K]
        Hops since its beginning.
    mix : Mix
    note, row : Tensor[Q] of int64
        Which note is seen in which spectrum.
    """
    device = notes.starts.device
    first = (-notes.starts.floor() - 2).clamp_min(0).long()
    last = torch.minimum((notes.ends - notes.starts).ceil() + TAIL, count - notes.starts + 2).long()
    many = (last - first + 1).clamp_min(1)
    start = many.cumsum(0) - many
    knots = torch.repeat_interleave(torch.arange(len(many), device=device), many)
    ages = first[knots] + torch.arange(len(knots), device=device) - start[knots]
    time = torch.arange(count, device=device)
    age = time - notes.starts[:, None]
    seen = (age > -tones.BEFORE) & (time < notes.ends[:, None] + TAIL)
    note, row = seen.nonzero(as_tuple=True)
    mix = tones.mixed(age[note, row], first[note], start[note], many[note])
    return knots, ages.to(notes.starts.dtype), mix, note, row


def _between(age: Tensor, after: Tensor) -> Tensor:
    """How much each measured time counts at some times: Tensor[P] each to Tensor[P, 10]."""
    sustained = _linear(age, SINCE_START)
    share = (after / SINCE_END[0]).clamp(0, 1)[:, None]
    released = _linear(after, SINCE_END)
    return torch.cat([sustained * (1 - share), released * share], 1)


def _linear(time: Tensor, knots: tuple[int, ...]) -> Tensor:
    """Weights of linear interpolation, constant outside: Tensor[P] to Tensor[P, knots]."""
    steps = torch.tensor(knots, dtype=time.dtype, device=time.device)
    place = ((time[:, None] - steps[:-1]) / (steps[1:] - steps[:-1])).clamp(0, 1)
    edge = torch.ones_like(place[:, :1])
    reached = torch.cat([edge, place], 1)
    return reached - torch.cat([place, torch.zeros_like(edge)], 1)


def _about(keys: Tensor, like: Tensor) -> Tensor:
    """Describe keys for networks: Tensor[N] of int64 to Tensor[N, 13] of the dtype of another."""
    keys = keys.to(like.dtype)
    angles = [keys * (2 * math.pi / period) for period in PERIODS]
    waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
    return torch.stack([keys / (KEYS / 4) - 2, *waves], 1)


def _length(lengths: Tensor) -> Tensor:
    """Describe lengths in hops for networks: Tensor[N] to Tensor[N, 1]."""
    return (lengths + 1).log()[:, None] - 2


def _times(age: Tensor, after: Tensor) -> Tensor:
    """Describe times for networks: Tensor[P] each to Tensor[P, 19]."""
    ended = (after >= 0).to(age.dtype)
    late = after.clamp_min(0)
    near = [(-age / rate).exp() for rate in RATES]
    near += [ended * (-late / rate).exp() for rate in RATES]
    more = [ended, age.log1p() / 4, late.log1p() / 4]
    return torch.stack(near + more, 1)
