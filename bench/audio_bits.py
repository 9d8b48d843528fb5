"""The autoencoder as a codec: its numbers as bits, beside Opus; a part of bench/audio.py."""

import io
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
import soxr

from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import FRAME, Sounds
from ostinato.sound.parts import autoencoder
from ostinato.sound.report import autoencoder as report
from ostinato.sound.report import bits, measures

RATES = (4_000, 8_000, 16_000)
"""Bits a second."""
SECONDS = 20
"""How much of each piece is coded, from its beginning."""
TRAINING = 16
"""The number of training pieces that the coder is fitted to."""
OPUS_RATE, OPUS_SHIFT = 48_000, 16
"""The sample rate of Opus, and how far what it decodes may be shifted to fit best, in samples."""

Codec = Callable[[np.ndarray], tuple[np.ndarray, float]]
"""From a sound to what is decoded, and the length of its code in bits."""


def bits_table(params: Params, sounds: Sounds) -> None:
    """Print what can be heard after some thousand bits a second."""
    model = autoencoder.load(Path("models/autoencoder"))
    every = sounds.of("train")
    training = beginnings(sounds, every[:: max(1, len(every) // TRAINING)][:TRAINING])
    pieces = beginnings(sounds, sounds.of("test"))
    kind = params.autoencoder.kind
    print(f"\n| {len(pieces)} held-out pieces, {SECONDS} s each | kbit/s | SNR, dB ", end="")
    print("| SI-SDR, dB | log-mel distance, dB | mel distance |\n|---|---|---|---|---|---|")
    for rate in RATES:
        row(f"{kind}, rounded", bits.fit(model, training, rate).code, pieces)
    both_ways = report.codec(model)
    row(f"{kind}, numbers as they are", lambda sound: (both_ways(sound), math.nan), pieces)
    for rate in RATES:
        row("Opus", partial(opus, rate=rate), pieces)


def beginnings(sounds: Sounds, pieces: list[int]) -> list[np.ndarray]:
    """Read the first seconds of pieces, in complete frames."""
    longest = SECONDS * RATE // FRAME
    return [
        sounds.piece(i, 0, min(longest, int(sounds.samples[i]) // FRAME) * FRAME) for i in pieces
    ]


def row(name: str, codec: Codec, pieces: list[np.ndarray]) -> None:
    """Print the figures of a codec."""
    found = [codec(piece) for piece in progress(pieces, len(pieces), name)]
    seconds = sum(piece.shape[1] for piece in pieces) / RATE
    heard = [sound for sound, _ in found]
    pairs = list(zip(pieces, heard, strict=True))
    figures = (
        sum(length for _, length in found) / seconds / 1000,
        measures.snr(pieces, heard),
        *(
            float(np.mean([measure(*pair) for pair in pairs]))
            for measure in (measures.si_sdr, measures.log_mel_distance, measures.mel_distance)
        ),
    )
    cells = ("" if math.isnan(figure) else f"{figure:.2f}" for figure in figures)
    print(f"| {name} |", " | ".join(cells), "|", flush=True)


def opus(sound: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """Code a sound with libopus: frames of 60 ms, variable rate. The container is not counted."""
    samples = soxr.resample(sound.T, RATE, OPUS_RATE)
    data, length = io.BytesIO(), 0
    with av.open(data, "w", format="ogg") as file:
        stream = file.add_stream("libopus", OPUS_RATE, options={"frame_duration": "60"})
        stream.bit_rate, stream.layout = rate, "stereo"
        whole = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", "stereo")
        whole.sample_rate = OPUS_RATE
        for frame in (whole, None):
            for packet in stream.encode(frame):
                length += 8 * packet.size
                file.mux(packet)
    data.seek(0)
    with av.open(data) as file:
        blocks = [block.to_ndarray() for block in file.decode(audio=0)]
    heard = soxr.resample(np.concatenate(blocks, 1).T, OPUS_RATE, RATE).T[:, : sound.shape[1]]
    return _aligned(sound, heard), length


def _aligned(sound: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Undo the few samples of delay that Opus has at low rates, which would ruin its SNR."""
    padded = np.pad(heard, ((0, 0), (OPUS_SHIFT, OPUS_SHIFT)))
    shifted = [padded[:, shift : shift + sound.shape[1]] for shift in range(2 * OPUS_SHIFT + 1)]
    return np.ascontiguousarray(max(shifted, key=lambda one: float((one * sound).sum())))
