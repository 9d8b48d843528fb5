"""Metrics of sound."""

from functools import cache

import numpy as np
import torch
from librosa import filters
from scipy import fft, signal

from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import FRAME

MELS = 80
WINDOW, HOP, FRAMES = 2048, 512, 4096
RANGE = 80.0
"""Everything further below the loudest point of the original than this, in dB, is ignored."""

SCALES = {32: 5, 64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}
"""Windows of `mel_distance`, in samples, and their numbers of mel bands."""
QUIETEST = 1e-5
"""Smaller magnitudes count as this in `mel_distance`."""


def snr(true: list[np.ndarray], heard: list[np.ndarray]) -> float:
    """The signal-to-noise ratio over all sounds together.

    Parameters
    ----------
    true, heard : list of ndarray, shape [..., samples]
        Pairs of equal shape.

    Returns
    -------
    float
        10 log10(Σx² / Σ(x - y)²), in dB.
    """
    energy = sum(float(np.square(x, dtype=np.float64).sum()) for x in true)
    noise = sum(
        float(np.square(x - y, dtype=np.float64).sum()) for x, y in zip(true, heard, strict=True)
    )
    return float(10 * np.log10(energy / noise))


def si_sdr(true: np.ndarray, heard: np.ndarray) -> float:
    """The scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, arXiv:1811.02508).

    Parameters
    ----------
    true, heard : ndarray, shape [channels, samples]
        All channels count as one signal, without its mean.

    Returns
    -------
    float
        10 log10(Σ(ax)² / Σ(ax - y)²) for the best factor a, in dB.
    """
    x, y = (sound.astype(np.float64) - sound.mean(dtype=np.float64) for sound in (true, heard))
    scaled = x * (x * y).sum() / np.square(x).sum()
    return float(10 * np.log10(np.square(scaled).sum() / np.square(scaled - y).sum()))


def mel_distance(true: np.ndarray, heard: np.ndarray) -> float:
    """The distance of mel spectrograms at seven scales, as for Descript Audio Codec.

    Kumar et al. (2023, arXiv:2306.06546): for each scale, the mean absolute difference of the
    logarithms to base 10 of mel magnitudes; these are added up. Hann windows overlap by three
    quarters.

    Parameters
    ----------
    true, heard : ndarray[float32], shape [2, samples]

    Returns
    -------
    float
    """
    total = 0.0
    for size, bands in SCALES.items():
        window = torch.hann_window(size)
        mels = torch.from_numpy(filters.mel(sr=RATE, n_fft=size, n_mels=bands))
        one, other = (
            torch.stft(torch.from_numpy(sound), size, size // 4, window=window, return_complex=True)
            for sound in (true, heard)
        )
        logs = [(mels @ x.abs()).clamp_min(QUIETEST).log10() for x in (one, other)]
        total += (logs[0] - logs[1]).abs().mean().item()
    return total


def log_mel(samples: np.ndarray, floor: float) -> np.ndarray:
    """Compute a mel spectrogram in dB.

    Parameters
    ----------
    samples : ndarray[float32], shape [samples]
        At 44.1 kHz.
    floor : float
        In dB; lower values are raised to it.

    Returns
    -------
    ndarray[float32], shape [80, times]
    """
    # As librosa.feature.melspectrogram, which compiles for a quarter of a minute when it is first
    # used after an installation.
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, WINDOW // 2), WINDOW)[::HOP]
    window, mels = _window_and_mels()
    power = [
        mels @ np.square(np.abs(fft.rfft(frames[first : first + FRAMES] * window))).T
        for first in range(0, len(frames), FRAMES)
    ]
    return np.maximum(10 * np.log10(np.maximum(np.concatenate(power, 1), 1e-20)), floor)


@cache
def _window_and_mels() -> tuple[np.ndarray, np.ndarray]:
    """The window of a frame, and what each of its frequencies adds to each mel band."""
    window = signal.get_window("hann", WINDOW).astype(np.float32)
    return window, filters.mel(sr=RATE, n_fft=WINDOW, n_mels=MELS)


def log_mel_distance(true: np.ndarray, heard: np.ndarray) -> float:
    """The mean absolute difference of two mel spectrograms in dB, over both channels.

    Parameters
    ----------
    true, heard : ndarray[float32], shape [2, samples]
        Levels more than 80 dB below the loudest point of `true` are raised to that level.

    Returns
    -------
    float
    """
    floor = max(float(log_mel(x, -200.0).max()) for x in true) - RANGE
    distances = [
        np.abs(log_mel(x, floor) - log_mel(y, floor)).mean()
        for x, y in zip(true, heard, strict=True)
    ]
    return float(np.mean(distances))


def border_ratio(sounds: list[np.ndarray]) -> float:
    """The mean energy of the derivative at the borders of frames, divided by that elsewhere.

    Parameters
    ----------
    sounds : list of ndarray, shape [2, samples]
        Each begins at the border of a frame.

    Returns
    -------
    float
        1 if borders are like any other place, more if they click.
    """
    at_borders, elsewhere = [], []
    for sound in sounds:
        energy = np.square(np.diff(sound.astype(np.float64), axis=1))
        border = np.zeros(energy.shape[1], bool)
        border[FRAME - 1 :: FRAME] = True
        at_borders.append(energy[:, border].ravel())
        elsewhere.append(energy[:, ~border].ravel())
    return float(np.concatenate(at_borders).mean() / np.concatenate(elsewhere).mean())


def level(sound: np.ndarray) -> float:
    """The root mean square of samples, in dB relative to full scale."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))
