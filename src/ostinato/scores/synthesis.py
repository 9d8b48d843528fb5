"""Rendering scores as sound, with the SoundFont that comes with pretty_midi."""

import io
from importlib.resources import files

import midirenderer
import numpy as np
import soundfile
import soxr

from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import TICKS_PER_BEAT, Part, Score
from ostinato.scores.wav import PEAK, RATE

TAIL = 1.5
"""Seconds of sound after the end of the last note, where the renderer itself would stop."""


def render(score: Score, soundfont: bytes | None = None) -> np.ndarray:
    """Render a score as sound.

    Parameters
    ----------
    score : Score
        Its programs are General MIDI instruments.
    soundfont : bytes, optional
        The content of an SF2 file; by default, of the one that comes with pretty_midi.

    Returns
    -------
    ndarray[float32], shape [samples, 2]
        Left and right at 44,100 samples per second, with 1.5 s after the last note, scaled to a
        peak of 0.9.
    """
    if soundfont is None:
        soundfont = files("pretty_midi").joinpath("TimGM6mb.sf2").read_bytes()
    wave = midirenderer.render_wave_from(soundfont, midi_bytes(_with_tail(score)))
    samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)
    samples = soxr.resample(samples, rate, RATE)
    peak = np.abs(samples).max()
    return samples * (PEAK / peak) if peak else samples


def _with_tail(score: Score) -> Score:
    """Add a part with one inaudible note, which ends `TAIL` seconds after all others."""
    ticks = int(TAIL * score.tempi[-1].bpm / 60 * TICKS_PER_BEAT)
    silent = np.array([(score.end + ticks, 1, 0, 1, len(score.parts))], score.notes.dtype)
    return Score(
        np.concatenate([score.notes, silent]),
        [*score.parts, Part("tail", 0)],
        score.metres,
        score.tempi,
        score.title,
    )
