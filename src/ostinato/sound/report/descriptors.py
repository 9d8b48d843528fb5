"""Audio descriptors: onsets, spectral centroid, chroma and timbre of a sound.

All functions take sound as ndarray[float32] of shape [2, samples], a tenth of a second or more at
44.1 kHz, or a mel spectrogram of it, and hear both channels as one.
"""

import librosa
import numpy as np

from ostinato.scores.wav import RATE

HOP, HOPS = 441, 10
"""From one spectrum to the next, in samples (10 ms), and how many of these a window has."""
MELS, LOWEST, HIGHEST = 200, 27.5, 16_000.0
"""Mel bands, and the frequencies that they lie between. Up to 1 kHz they are 18 Hz apart: wider
ones miss the soft onsets of organ and flute under notes that go on."""
RANGE = 50.0
"""How far below the loudest point of a sound, in dB, its inaudible part begins."""
RISE = 0.15
"""How far the mean of all bands rises at an onset, above its mean rise around, in dB."""
PEAK, AROUND, APART = 4, 9, 4
"""An onset is the largest rise within 40 ms to both sides; its surroundings are 90 ms to both
sides; and onsets are more than 40 ms apart. In frames."""
COEFFICIENTS = 20
"""Mel-frequency cepstral coefficients."""


def floor_of(sound: np.ndarray) -> float:
    """The level, in dB, below which nothing in a sound counts: 50 dB below its loudest point."""
    return float(mel_spectrogram(sound, -np.inf).max()) - RANGE


def mel_spectrogram(sound: np.ndarray, floor: float) -> np.ndarray:
    """Compute a mel spectrogram in dB.

    Parameters
    ----------
    sound : ndarray[float32], shape [2, samples]
    floor : float
        In dB; lower values are raised to it.

    Returns
    -------
    ndarray[float32], shape [200, 1 + samples // 441]
    """
    power = librosa.feature.melspectrogram(
        S=np.square(_magnitude(sound)), sr=RATE, n_mels=MELS, fmin=LOWEST, fmax=HIGHEST
    )
    return np.maximum(librosa.power_to_db(power, amin=1e-10, top_db=None), floor)


def onsets(mel: np.ndarray) -> np.ndarray:
    """Find onsets by spectral flux (Böck and Widmer 2013), of which the rise in dB is averaged.

    Parameters
    ----------
    mel : ndarray[float32], shape [200, frames]
        What `mel_spectrogram` returned.

    Returns
    -------
    ndarray[float64]
        Seconds.
    """
    rise = librosa.onset.onset_strength(S=mel, sr=RATE, hop_length=HOP)
    # The threshold is absolute: a share of the largest rise would depend on a single onset.
    return librosa.onset.onset_detect(
        onset_envelope=rise,
        sr=RATE,
        hop_length=HOP,
        units="time",
        normalize=False,
        delta=RISE,
        pre_max=PEAK,
        post_max=PEAK + 1,
        pre_avg=AROUND,
        post_avg=AROUND + 1,
        wait=APART,
    )


def centroid(sound: np.ndarray, floor: float) -> float:
    """The spectral centroid, in Hz: the median of all frames that can be heard.

    Parameters
    ----------
    sound : ndarray[float32], shape [2, samples]
    floor : float
        A frame whose bands are all at this level, in dB, is silent.

    Returns
    -------
    float
        NaN if there is silence alone.
    """
    heard = mel_spectrogram(sound, floor).max(0) > floor
    found = librosa.feature.spectral_centroid(S=_magnitude(sound), sr=RATE)[0, heard]
    return float(np.median(found)) if heard.any() else float("nan")


def chroma(sound: np.ndarray) -> np.ndarray:
    """The mean chromagram of a constant-Q transform, C first: ndarray[float32], shape [12]."""
    return librosa.feature.chroma_cqt(y=sound.mean(0), sr=RATE, tuning=0.0).mean(1)


def mfcc(mel: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstral coefficients: ndarray [200, frames] to [20, frames]."""
    return librosa.feature.mfcc(S=mel, n_mfcc=COEFFICIENTS)


def textures(mel: np.ndarray, seconds: float) -> np.ndarray:
    """Describe texture windows (Tzanetakis and Cook 2002), one after the other.

    Parameters
    ----------
    mel : ndarray[float32], shape [200, frames]
        What `mel_spectrogram` returned.
    seconds : float
        The length of a window. An incomplete last one is left out.

    Returns
    -------
    ndarray[float32], shape [windows, 59]
        Of each coefficient of `mfcc`, the mean, the standard deviation, and the mean absolute
        difference of consecutive frames; except the mean of the first coefficient, which is the
        level.
    """
    size = round(seconds * RATE / HOP)
    count = mel.shape[1] // size
    frames = mfcc(mel)[:, : count * size].reshape(COEFFICIENTS, count, size)
    change = np.abs(np.diff(frames, axis=2)).mean(2)
    return np.concatenate([frames.mean(2)[1:], frames.std(2), change]).T


def _magnitude(sound: np.ndarray) -> np.ndarray:
    """The magnitude of a spectrogram: ndarray[float32], shape [bins, 1 + samples // 441]."""
    inside = np.abs(librosa.stft(sound.mean(0), n_fft=HOPS * HOP, hop_length=HOP, center=False))
    # A window that reaches beyond the end would show a click there, and that would be an onset.
    return np.pad(inside, ((0, 0), (HOPS // 2, HOPS // 2)), mode="edge")
