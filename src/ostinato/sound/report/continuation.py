"""How a continuation sounds beside what was given, ten seconds at a time."""

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, conv1d

from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.scores.wav import PEAK, RATE
from ostinato.sound.compose.improvise import (
    SEED_SAMPLES,
    Improviser,
    NoNotes,
    beginnings,
    improvise,
)
from ostinato.sound.data.sound import Sounds
from ostinato.sound.report import chords, descriptors, measures
from ostinato.sound.report.descriptors import HOP
from ostinato.sound.transcriber import Transcriber

SECONDS = 10
"""The length of a part that is described by itself."""
FIGURES = "onset_rate", "centroid", "chroma_distance", "mfcc_distance", "level", "repetition"
PIECES, PARTS = 6, 2
"""For `measure`: how many pieces are continued, and by how many parts, at most."""
PHRASE, STRIDE = 2, 1
"""For `repetition`: the length of a phrase, and the distance to the next, in seconds."""
BANDS, FRAMES = 5, 2
"""How many mel bands and frames are averaged before phrases are compared, since what is played
again is not played again exactly."""


def describe(given: np.ndarray, continuation: np.ndarray) -> dict[str, np.ndarray]:
    """Describe each ten seconds of a continuation.

    Parameters
    ----------
    given : ndarray[float32], shape [2, samples]
        What is continued: at least two seconds, not silent.
    continuation : ndarray[float32], shape [2, samples]
        An incomplete part at its end is left out.

    Returns
    -------
    dict of str to ndarray[float64], shape [parts]
        ``onset_rate``: onsets a second. ``centroid``: the median spectral centroid in Hz; NaN in
        silence. ``chroma_distance``: 1 minus the cosine of the mean chroma and that of what was
        given. ``mfcc_distance``: the root mean square, over coefficients, of the distance of the
        mean from that of what was given, in standard deviations of the frames of what was given.
        ``level``: the root mean square against that of what was given, in dB. ``repetition``: how
        much the phrases of this part repeat something earlier, see `repetition`; their median.
    """
    floor = descriptors.floor_of(given)
    before, after = (descriptors.mel_spectrogram(x, floor) for x in (given, continuation))
    cepstra = descriptors.mfcc(before)
    mean, spread = cepstra.mean(1), cepstra.std(1)
    chroma, level = descriptors.chroma(given), measures.level(given)
    repeated = repetition(before, after)
    rows = []
    for first in range(0, continuation.shape[1] // RATE - SECONDS + 1, SECONDS):
        part = continuation[:, first * RATE : (first + SECONDS) * RATE]
        mel = after[:, first * RATE // HOP : (first + SECONDS) * RATE // HOP]
        away = (descriptors.mfcc(mel).mean(1) - mean) / spread
        rows.append(
            [
                len(descriptors.onsets(mel)) / SECONDS,
                descriptors.centroid(part, floor),
                _cosine_distance(descriptors.chroma(part), chroma),
                np.sqrt(np.square(away).mean()),
                measures.level(part) - level,
                np.median(repeated[first // STRIDE : (first + SECONDS) // STRIDE]),
            ]
        )
    return dict(zip(FIGURES, np.array(rows).reshape(-1, len(FIGURES)).T, strict=True))


def repetition(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Measure how much phrases of a sound repeat anything before them, at any distance.

    Parameters
    ----------
    before, after : ndarray[float32], shape [200, frames]
        Mel spectrograms of what was given, at least two seconds, and of what follows.

    Returns
    -------
    ndarray[float64], shape [phrases]
        For each phrase of two seconds that begins in ``after``, a new one every second, the largest
        correlation of its mel spectrogram with that of two seconds that end before it: 1 if it is
        the same again. The mean spectrum of what was given is subtracted from both.
    """
    second = RATE // HOP // FRAMES
    size, count = PHRASE * second, after.shape[1] * HOP // RATE - PHRASE // STRIDE + STRIDE
    mels = [torch.from_numpy(x[:, : x.shape[1] // FRAMES * FRAMES]) for x in (before, after)]
    given, follows = (avg_pool2d(mel[None], (BANDS, FRAMES))[0].double() for mel in mels)
    music = torch.cat([given, follows], 1) - given.mean(1, keepdim=True)
    norms = music.square().sum(0).unfold(0, size, 1).sum(1).sqrt()
    found = []
    for phrase in range(count):
        first = given.shape[1] + phrase * STRIDE * second
        match = conv1d(music[None, :, :first], music[None, :, first : first + size])[0, 0]
        scale = norms[: len(match)] * norms[first]
        found.append((match / scale.clamp_min(1e-9)).max().item())
    return np.array(found)


def _cosine_distance(one: np.ndarray, other: np.ndarray) -> float:
    """1 minus the cosine; 1 if one of them is silence."""
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return 1 - float(one @ other / lengths) if lengths else 1.0


def measure(
    improviser: Improviser, transcriber: Transcriber, sounds: Sounds, seed: int
) -> dict[str, dict[str, float]]:
    """Continue held-out pieces, and compare what is heard with how they go on.

    Parameters
    ----------
    improviser : Improviser
    transcriber : Transcriber
        It counts notes, in both.
    sounds : Sounds
        The collection. The longest test pieces are continued.
    seed : int
        Determines what is drawn.

    Returns
    -------
    dict of str to dict
        Medians over pieces and over parts of ten seconds, ``true`` and ``made``: what `describe`
        and `ostinato.sound.report.chords.describe` return. Pieces are left out that are too short,
        silent in their first ten seconds, or without a note there that could be heard.
    """
    rows: dict[str, list[dict[str, float]]] = {"true": [], "made": []}
    pieces = sorted(beginnings(sounds), key=lambda i: -sounds.samples[i])[:PIECES]
    long_enough = [i for i in pieces if sounds.samples[i] >= SEED_SAMPLES + SECONDS * RATE]
    for piece in progress(long_enough, len(long_enough), "continue pieces"):
        parts = min(int(sounds.samples[piece]) - SEED_SAMPLES, PARTS * SECONDS * RATE)
        parts //= SECONDS * RATE
        length = parts * SECONDS
        true = sounds.piece(piece, 0, SEED_SAMPLES + length * RATE)
        given = true[:, :SEED_SAMPLES]
        begun = torch.from_numpy(np.ascontiguousarray(given))
        own = derive(seed, "continuation", sounds.id[piece])
        try:
            made = np.concatenate(list(improvise(improviser, begun, length, own)), 1)
        except NoNotes:
            continue
        gain = PEAK / np.abs(given).max()
        for who, sound in (("true", true), ("made", made)):
            heard = gain * np.ascontiguousarray(sound)
            notes = transcriber.transcribe([torch.from_numpy(heard)])
            figures = describe(given, sound[:, SEED_SAMPLES:])
            for part in range(parts):
                begin = (part + 1) * SECONDS
                counted = chords.describe(notes, begin, begin + SECONDS)
                rows[who].append({name: each[part] for name, each in figures.items()} | counted)
    found = {}
    for name in (*FIGURES, *chords.FIGURES):
        both = {who: [row[name] for row in rows[who] if np.isfinite(row[name])] for who in rows}
        if all(both.values()):  # a silent part has no centroid
            found[name] = {who: float(np.median(values)) for who, values in both.items()}
    return found
