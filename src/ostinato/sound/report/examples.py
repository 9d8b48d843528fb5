"""Held-out pieces before and after an autoencoder."""

import copy
from pathlib import Path

from ostinato.scores.wav import RATE, write_wav
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.report.autoencoder import codec
from ostinato.sound.report.spectra import draw_spectra

EXAMPLES, SECONDS = 3, 30


def write_examples(out: Path, model: Autoencoder, sounds: Sounds) -> None:
    """Write some test pieces before and after the autoencoder, and pictures of both.

    They are computed in double precision: in single precision, a sample in a thousand is rounded
    differently in another run.

    Parameters
    ----------
    out : Path
        The folder for ``ID.wav``, ``ID-original.wav`` and ``ID.png``.
    model : Autoencoder
        Trained.
    sounds : Sounds
        The collection.
    """
    model = copy.deepcopy(model).double()
    for index in sounds.of("test")[:EXAMPLES]:
        samples = min(int(sounds.samples[index]), SECONDS * RATE)
        true = sounds.piece(index, 0, samples)
        heard = codec(model)(true).clip(-1, 1)
        name = sounds.id[index]
        write_wav(out / f"{name}-original.wav", true.T)
        write_wav(out / f"{name}.wav", heard.T)
        draw_spectra(out / f"{name}.png", {"original": true, "from 512 numbers a frame": heard})
