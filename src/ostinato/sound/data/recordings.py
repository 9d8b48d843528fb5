"""Reading sound files of any kind, block by block, as 44.1 kHz stereo."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import CHANNELS

BLOCK_SECONDS = 10
SILENCE = 1e-3
"""A recording whose loudest sample is below this (-60 dB) counts as silent."""
EXACT_LENGTH = {"WAV", "WAVEX", "FLAC", "AIFF", "RF64", "W64", "AU", "CAF"}
"""Formats whose header gives the exact number of samples."""


class UnreadableSound(Exception):
    """A file contains no usable sound; the message is the reason."""


def read_blocks(path: Path) -> Iterator[np.ndarray]:
    """Read a sound file in blocks, so that the memory needed does not depend on its length.

    Parameters
    ----------
    path : Path
        WAV, FLAC, OGG, MP3 or any other file that libsndfile reads, at any sample rate, mono or
        stereo.

    Yields
    ------
    ndarray[float32], shape [samples, 2]
        Left and right at 44,100 samples per second, about ten seconds at a time. Mono is copied to
        both channels.

    Raises
    ------
    UnreadableSound
        When it is not a sound file or is damaged, has more than two channels, or contains samples
        that are not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            yield from _blocks(file)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnreadableSound(f"not a sound file that can be read: {reason}") from error


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    if file.channels > CHANNELS:
        raise UnreadableSound(f"{file.channels} channels; mix it down to one or two")
    resample = soxr.ResampleStream(file.samplerate, RATE, file.channels, dtype="float32")
    size = BLOCK_SECONDS * file.samplerate
    done = 0
    while True:
        block = file.read(size, dtype="float32", always_2d=True)
        done += len(block)
        if not np.isfinite(block).all():
            raise UnreadableSound("holds samples that are no finite numbers")
        last = len(block) < size
        out = resample.resample_chunk(block, last=last)
        if len(out):
            yield np.broadcast_to(out, (len(out), CHANNELS))
        if last:
            break
    if file.format in EXACT_LENGTH and done < file.frames:
        raise UnreadableSound(f"ends after {done:,} of {file.frames:,} samples")


def read_start(path: Path, samples: int) -> np.ndarray:
    """Read the beginning of a sound file.

    Parameters
    ----------
    path : Path
        As for `read_blocks`.
    samples : int
        How many samples, at 44,100 per second.

    Returns
    -------
    ndarray[float32], shape [2, samples]

    Raises
    ------
    UnreadableSound
        As for `read_blocks`, and when the file is too short or its beginning is silent.
    """
    blocks: list[np.ndarray] = []
    read = 0
    for block in read_blocks(path):
        blocks.append(block)
        read += len(block)
        if read >= samples:
            break
    if read < samples:
        raise UnreadableSound(
            f"{read / RATE:.2f} s of sound, shorter than the {samples / RATE:g} s that are needed"
        )
    start = np.concatenate(blocks)[:samples]
    if np.abs(start).max() < SILENCE:
        raise UnreadableSound(f"silent in its first {samples / RATE:g} s")
    return np.ascontiguousarray(start.T)
