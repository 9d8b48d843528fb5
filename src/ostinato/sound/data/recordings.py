"""Reading the sound of any file, block by block, as 44.1 kHz stereo.

libsndfile reads what it can; FFmpeg reads phones' M4A and AAC, videos, and more than two channels.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import CHANNELS

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

BLOCK_SECONDS = 10
SILENCE = 1e-3
"""A recording whose loudest sample is below this (-60 dB) counts as silent."""
SLOWEST, FASTEST = 1_000, 1_000_000
"""Sample rates beyond these, in samples per second, are damage."""
UNKNOWN = np.iinfo(np.int64).max
"""What libsndfile says of a length that a FLAC file does not give. It reads none of it."""

CONTAINERS = "wav,w64,flac,aiff,caf,ogg,mp3,aac,amr,ape,wv,mp4,matroska,asf,avi,flv,mpeg,mpegts"
"""FFmpeg's names of what it may read: no playlists, which make it open other files, and nothing
that takes any bytes for sound."""
LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's names of the channels of files that do not name theirs. WAV and FLAC store them in this
order: front left and right, front centre, LFE, back left and right, side left and right."""


class UnreadableSound(Exception):
    """A file contains no usable sound; the message is the reason."""


def read_blocks(path: Path) -> Iterator[np.ndarray]:
    """Read the sound of a file in blocks, so that the memory needed does not depend on its length.

    Parameters
    ----------
    path : Path
        A sound file or a video, at any sample rate. Of several sound tracks, the default one is
        read, or the first. More than two channels are mixed down by ITU-R BS.775: centre and
        surround at -3 dB, LFE left out. All is then made quieter, so that no sum is clipped.

    Yields
    ------
    ndarray[float32], shape [samples, 2]
        Left and right at 44,100 samples per second, about ten seconds at a time. Mono is copied to
        both channels.

    Raises
    ------
    UnreadableSound
        When the file cannot be read or has no sound, is damaged, or contains samples that are not
        finite. FLAC and MP4 files that end early are damaged. Others are read to their end, also
        those whose header says nothing of their length since the recorder crashed.
    """
    try:
        yield from _resampled(_decoded(path))
    except OSError as error:
        raise UnreadableSound(f"cannot be read: {error.strerror or error}") from error


def _resampled(blocks: Iterable[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
    resample = None
    for rate, block in blocks:
        if not np.isfinite(block).all():
            raise UnreadableSound("holds samples that are no finite numbers")
        if resample is None:
            resample = soxr.ResampleStream(rate, RATE, block.shape[1], dtype="float32")
            end = block[:0]
        yield from _stereo(resample.resample_chunk(block))
    if resample is not None:
        yield from _stereo(resample.resample_chunk(end, last=True))


def _stereo(block: np.ndarray) -> Iterator[np.ndarray]:
    if len(block):
        yield np.broadcast_to(block, (len(block), CHANNELS))


def _decoded(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Decode blocks of a file: their sample rate, and samples of one or two channels."""
    name = os.fsencode(path)  # which need not be UTF-8
    with suppress(soundfile.LibsndfileError), soundfile.SoundFile(name) as file:
        # Of a WAV file whose recorder crashed, libsndfile may say that it has no samples.
        if file.channels <= CHANNELS and 0 < file.frames < UNKNOWN:
            yield from _by_libsndfile(file)
            return
    yield from _by_ffmpeg(path)


def _by_libsndfile(file: soundfile.SoundFile) -> Iterator[tuple[int, np.ndarray]]:
    rate, done = _checked(file.samplerate), 0
    try:
        while len(block := file.read(BLOCK_SECONDS * rate, dtype="float32", always_2d=True)):
            done += len(block)
            yield rate, block
    except soundfile.LibsndfileError as error:
        first = done // rate
        raise UnreadableSound(f"damaged between {first} and {first + BLOCK_SECONDS} s") from error
    if file.format == "FLAC" and done < file.frames:
        raise _ends_early(done / rate)


def _by_ffmpeg(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    import av  # here, since it takes a tenth of a second, and few files need it

    limits = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # With the protocol, since a colon in a name would mean another one.
        container = av.open(f"file:{path}", metadata_errors="replace", options=limits)
    except OSError:
        raise
    except av.FFmpegError as error:
        with path.open("rb") as file:
            if file.read(8)[4:] == b"ftyp":
                raise UnreadableSound("an MP4 file without its index: cut, or damaged") from error
        raise UnreadableSound("not a sound file or video that can be read") from error
    with container:
        yield from _mixed(container, _track(container))


def _track(container: "InputContainer") -> "AudioStream":
    """Choose the sound track, and leave out all others."""
    from av.stream import Discard, Disposition

    tracks = container.streams.audio
    if not tracks:
        raise UnreadableSound("a video without sound")
    known = [each for each in tracks if each.codec_context is not None]
    if not known:
        raise UnreadableSound("its sound is coded in an unknown way")
    track = next((each for each in known if each.disposition & Disposition.default), known[0])
    for each in container.streams:
        if each is not track:
            each.discard = Discard.all
    if track.layout.nb_channels > CHANNELS and track.layout.channels[0].name == "NONE":
        if track.layout.nb_channels not in LAYOUTS:
            raise UnreadableSound(
                f"{track.layout.nb_channels} channels without names; mix them down to one or two"
            )
        track.codec_context.layout = LAYOUTS[track.layout.nb_channels]
    return track


def _mixed(container: "InputContainer", track: "AudioStream") -> Iterator[tuple[int, np.ndarray]]:
    """Decode a track to blocks of one or two channels."""
    import av

    mix, parts, length = None, [], 0
    for frame in _frames(container, track):
        kind = frame.sample_rate, frame.layout.name, frame.format.name
        if mix is None:
            first, rate = kind, _checked(frame.sample_rate)
            layout = "stereo" if frame.layout.nb_channels > CHANNELS else frame.layout
            # Packed samples in any case: PyAV 18 ends the process at eight planes of them.
            mix = av.AudioResampler("flt", layout, options={"rematrix_maxval": "1"})
        if kind != first:
            raise UnreadableSound("its sample rate or its channels change")
        try:
            mixed = mix.resample(frame)
        except av.FFmpegError as error:
            raise UnreadableSound(f"channels ({frame.layout.name}) that cannot be mixed") from error
        for each in mixed:
            parts.append(each.to_ndarray().reshape(-1, each.layout.nb_channels))
        length += frame.samples
        if length >= BLOCK_SECONDS * rate:
            yield rate, np.concatenate(parts)
            parts, length = [], 0
    if parts:
        yield rate, np.concatenate(parts)


def _frames(container: "InputContainer", track: "AudioStream") -> Iterator["AudioFrame"]:
    """Decode a track; where it was cut, it may begin and end with what cannot be decoded."""
    import av

    done, seconds, lost = 0, 0.0, False
    try:
        for packet in container.demux(track):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                lost = done > 0
                continue
            if lost and frames and packet.size:
                raise _damaged(seconds)
            for frame in frames:
                yield frame
                done += frame.samples
                seconds = done / frame.sample_rate
            if not packet.size:  # The last one: it flushes the decoder.
                break  # Beyond it, PyAV looks for tracks that it does not know if some came late.
    except av.FFmpegError as error:
        raise _damaged(seconds) from error
    if _is_cut(container, track, done):
        raise _ends_early(seconds)


def _is_cut(container: "InputContainer", track: "AudioStream", done: int) -> bool:
    """Say whether a container told of more than was decoded."""
    if container.format.name == "flac":
        return track.duration is not None and done < track.duration
    if "mp4" in container.format.name and track.frames:  # none are counted if it is in fragments
        ends = (entry.pos + entry.size for entry in track.index_entries)
        return max(ends, default=0) > container.size
    return False


def _checked(rate: int) -> int:
    if not SLOWEST <= rate <= FASTEST:
        raise UnreadableSound(f"damaged: it says {rate:,} samples a second")
    return rate


def _damaged(seconds: float) -> UnreadableSound:
    return UnreadableSound(f"damaged after {seconds:.2f} s")


def _ends_early(seconds: float) -> UnreadableSound:
    return UnreadableSound(f"cut: it ends after {seconds:.2f} s")


def read_start(path: Path, samples: int) -> np.ndarray:
    """Read the beginning of the sound of a file.

    Parameters
    ----------
    path : Path
        As for `read_blocks`.
    samples : int
        How many samples, at 44,100 per second.

    Returns
    -------
    ndarray[float32], shape [2, samples]
        In [-1, 1]. What is louder is scaled down.

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
    loudest = np.abs(start).max()
    if loudest < SILENCE:
        raise UnreadableSound(f"silent in its first {samples / RATE:g} s")
    return np.ascontiguousarray(start.T) / max(loudest, np.float32(1))
