"""What was not trained on: other instruments, another SoundFont, a room, noise, real recordings.

A part of bench/audio.py. Test pieces are rendered anew, and what is heard of them is changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal
import soxr
import torch

from ostinato import improvising
from ostinato.core import files
from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.performance import played
from ostinato.scores.synthesis import render
from ostinato.scores.wav import PEAK, RATE
from ostinato.sound import transcriber
from ostinato.sound.compose.improvise import SEED_SAMPLES, Improviser, NoNotes, improvise
from ostinato.sound.data.collection import varied
from ostinato.sound.data.recordings import UnreadableSound, read_start
from ostinato.sound.parts import autoencoder
from ostinato.sound.report import autoencoder as report
from ostinato.sound.report import continuation, measures
from ostinato.sound.report.transcriber import scores
from ostinato.sound.transcriber import Transcriber

SECONDS = 30
"""How much of each piece counts: ten seconds are given, and twenty continued."""
OTHERS = [40, 56, 12]
"""Violin, trumpet, marimba."""
ECHO, WET = 1.2, 0.5
"""How long a room takes to become 60 dB quieter, in seconds, and how loud it is."""
CENTS, NOISE = 40, 25.0
"""How much higher everything is tuned, and how far below the sound noise is, in dB."""
SKIPPED = 20
"""Seconds at the beginning of a recording that are left out."""


@dataclass
class Piece:
    """A sound and its notes, if they are known.

    Attributes
    ----------
    sound : ndarray[float32], shape [2, samples]
    notes : ndarray[PLAYED] or None
    """

    sound: np.ndarray
    notes: np.ndarray | None


def elsewhere_table(
    params: Params, count: int, soundfont: Path | None, recordings: Path | None
) -> None:
    """Print figures of the autoencoder, the transcriber and improvisations, elsewhere.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    count : int
        The number of pieces, at most.
    soundfont, recordings : Path, optional
        An SF2 file, and a folder of sound files.
    """
    models = Path("models")
    encoder = autoencoder.load(models / "autoencoder")
    listener = transcriber.load(models / "transcriber")
    improviser = improvising.load(models, torch.device("cpu"), params.improvise.temperature)
    rows = [row for row in files.rows(Path("data/corpus") / SONGS) if row["split"] == "test"]
    cases: dict[str, Callable[[], list[Piece]]] = {
        "as trained": lambda: rendered(params, rows, count, params.audio.instruments),
        "violin, trumpet, marimba": lambda: rendered(params, rows, count, OTHERS),
    }
    if soundfont:
        font = soundfont.read_bytes()
        cases["another SoundFont"] = lambda: rendered(
            params, rows, count, params.audio.instruments, font
        )
    for name, change in (("in a room", in_a_room), ("detuned", detuned), ("with noise", noisy)):
        cases[name] = lambda change=change: [
            change(piece) for piece in rendered(params, rows, count, params.audio.instruments)
        ]
    if recordings:
        cases["recordings"] = lambda: recorded(recordings, count)
    print(
        f"\n| {count} pieces, {SECONDS} s each | SNR, dB | log-mel distance, dB | onset F1 ", end=""
    )
    print("| onsets, off by | centroid, off by | chroma, times | MFCC, times | level, dB |")
    print("|---" * 9 + "|")
    for name, make in cases.items():
        pieces = make()
        sounds = [piece.sound for piece in pieces]
        coded = list(map(report.codec(encoder), sounds))
        cells = [f"{measures.snr(sounds, coded):.2f}", f"{_log_mel(sounds, coded):.2f}"]
        known = [piece for piece in pieces if piece.notes is not None]
        cells.append(f"{found(listener, known):.3f}" if known else "")
        cells += continued(improviser, sounds, name, params.seed)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _log_mel(true: list[np.ndarray], made: list[np.ndarray]) -> float:
    pairs = zip(true, made, strict=True)
    return float(np.mean([measures.log_mel_distance(*pair) for pair in pairs]))


def found(listener: Transcriber, pieces: list[Piece]) -> float:
    """The mean F1 of onsets that the transcriber finds."""
    return float(
        np.mean(
            [
                scores(piece.notes, listener.transcribe([torch.from_numpy(piece.sound)]))[
                    "onset_f1"
                ]
                for piece in pieces
            ]
        )
    )


def continued(improviser: Improviser, sounds: list[np.ndarray], name: str, seed: int) -> list[str]:
    """How continuations of ten seconds differ from the true ones; medians, as text.

    Pieces in which no note is heard are left out.
    """
    rows = []
    for number, sound in enumerate(progress(sounds, len(sounds), name)):
        given, true = sound[:, :SEED_SAMPLES], sound[:, SEED_SAMPLES:]
        begun = torch.from_numpy(np.ascontiguousarray(given))
        length = true.shape[1] / RATE
        try:
            parts = list(improvise(improviser, begun, length, derive(seed, "elsewhere", number)))
        except NoNotes:
            continue
        made = np.concatenate(parts, 1)[:, SEED_SAMPLES:]
        ours, truth = (continuation.describe(given, each) for each in (made, true))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = {figure: np.nan_to_num(ours[figure] / truth[figure]) for figure in ours}
        rows.append(
            [
                np.abs(ratio["onset_rate"] - 1),
                np.abs(ratio["centroid"] - 1),
                ratio["chroma_distance"],
                ratio["mfcc_distance"],
                np.abs(ours["level"] - truth["level"]),
            ]
        )
    onset, centroid, chroma, mfcc, level = np.median(np.concatenate(rows, 1), 1)
    return [
        f"{100 * onset:.0f} %",
        f"{100 * centroid:.0f} %",
        f"{chroma:.1f}",
        f"{mfcc:.1f}",
        f"{level:.1f}",
    ]


def rendered(
    params: Params,
    rows: list[dict[str, str]],
    count: int,
    programs: list[int],
    soundfont: bytes | None = None,
) -> list[Piece]:
    """Render the beginnings of test songs."""
    pieces = []
    for row in rows:
        score = Stored.of(Path("data/corpus"), row).score()
        score, _, _ = varied(score, programs, derive(params.seed, "elsewhere", row["id"]))
        sound = np.ascontiguousarray(render(score, soundfont).T[:, : SECONDS * RATE], np.float32)
        if sound.shape[1] == SECONDS * RATE:
            notes = played(score)
            pieces.append(Piece(sound, notes[notes["start"] < SECONDS]))
        if len(pieces) == count:
            break
    return pieces


def in_a_room(piece: Piece) -> Piece:
    """Let a sound fade in a room: noise that decays (Moorer 1979), another one for each ear."""
    rng = np.random.default_rng(1)
    time = np.arange(int(1.2 * ECHO * RATE)) / RATE
    echo = rng.standard_normal((2, len(time))) * 10 ** (-3 * time / ECHO)
    echo /= np.sqrt(np.square(echo).sum(1, keepdims=True))
    wet = scipy.signal.fftconvolve(piece.sound, echo, axes=1)[:, : piece.sound.shape[1]]
    return Piece(_scaled(piece.sound + WET * wet), piece.notes)


def detuned(piece: Piece) -> Piece:
    """Play a sound a little faster, and so a little higher."""
    factor = 2 ** (CENTS / 1200)
    sound = soxr.resample(np.ascontiguousarray(piece.sound.T), RATE * factor, RATE).T
    notes = piece.notes.copy()
    notes["start"] /= factor
    notes["end"] /= factor
    return Piece(np.ascontiguousarray(sound), notes)


def noisy(piece: Piece) -> Piece:
    """Add white noise."""
    rng = np.random.default_rng(1)
    level = np.sqrt(np.square(piece.sound).mean()) * 10 ** (-NOISE / 20)
    return Piece(_scaled(piece.sound + level * rng.standard_normal(piece.sound.shape)), piece.notes)


def recorded(folder: Path, count: int) -> list[Piece]:
    """Read parts of recordings, of all lengths."""
    pieces = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or len(pieces) == count:
            continue
        try:
            sound = read_start(path, (SKIPPED + SECONDS) * RATE)[:, SKIPPED * RATE :]
        except UnreadableSound:
            continue
        pieces.append(Piece(_scaled(sound), None))
    return pieces


def _scaled(sound: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(sound * (PEAK / np.abs(sound).max()), np.float32)
