"""How continuations sound beside the true ones; a part of bench/audio.py.

Each way of going on continues ten seconds of held-out pieces, and of pieces whose parts all have
one instrument, rendered for this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pretty_midi import program_to_instrument_name
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn.pipeline import Pipeline
from torch import nn

from ostinato.core import files
from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.score import seconds
from ostinato.scores.synthesis import TAIL, render
from ostinato.scores.wav import RATE
from ostinato.sound.compose.improvise import SEED_SAMPLES, Improviser, improvise
from ostinato.sound.data.collection import varied
from ostinato.sound.data.frames import Windows
from ostinato.sound.data.sound import Sounds
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.report import continuation, descriptors, instruments, likeness
from ostinato.sound.report.continuation import SECONDS
from ostinato.sound.report.score_creator import ridge

CORPUS = Path("data/corpus")
SOLOS, LESSONS, LESSON_SECONDS = 2, 16, 20
"""Of each instrument: pieces that are continued, pieces that the classifier learns from, and how
much of each of these."""
NEAR, CHORD = 0.05, 0.03
"""An onset is found if it is at most so many seconds away (as mir_eval counts). Notes within the
second time make one onset."""
BASELINES = ("ridge", "true content", "loop", "true")
"""Ways of going on besides score creators: ridge regression in their place; the content of the true
continuation, with details and phases found as for an improvisation: no score creator can sound
more like the truth; the ten seconds again and again; and the true continuation."""
AIMS = {
    "onset_rate": ("onsets a second", ".1f", "off by at most 25 %", 0.25),
    "centroid": ("spectral centroid, Hz", ".0f", "off by at most 10 %", 0.1),
    "chroma_distance": ("chroma distance to the given", ".3f", "at most 1.5 times", 1.5),
    "mfcc_distance": ("MFCC distance to the given", ".2f", "at most 1.5 times", 1.5),
    "level": ("level against the given, dB", "+.1f", "off by at most 4 dB", 4.0),
    "repetition": ("repetition of what was before", ".2f", "", None),
}
"""How each figure is called and printed, and the aim: in words, and as the largest `off`."""
NAMED, TOLD_APART = 0.95, 0.8
"""Aims: at least this share of seconds sound like their instrument; and at most this balanced
accuracy of a classifier."""

Way = Callable[[np.ndarray, int], np.ndarray]
"""From a piece, of whose first ten seconds alone it may know, and a seed to as much sound as there
is after these."""


@dataclass
class Piece:
    """A held-out piece, or a rendering of it with one instrument.

    Attributes
    ----------
    id : str
    sound : ndarray[float32], shape [2, samples]
        Ten seconds that are given, and some times ten seconds that follow, not the end.
    program : int
        The instrument of all parts; -1 if they differ.
    """

    id: str
    sound: np.ndarray
    program: int = -1

    @property
    def given(self) -> np.ndarray:
        """The first ten seconds."""
        return self.sound[:, :SEED_SAMPLES]

    @property
    def true(self) -> np.ndarray:
        """What follows them."""
        return self.sound[:, SEED_SAMPLES:]


def way(improviser: Improviser) -> Way:
    """Let models improvise."""

    def go_on(piece: np.ndarray, seed: int) -> np.ndarray:
        begun = torch.from_numpy(np.ascontiguousarray(piece[:, :SEED_SAMPLES]))
        length = (piece.shape[1] - SEED_SAMPLES) / RATE
        made = np.concatenate(list(improvise(improviser, begun, length, seed)), 1)
        return made[:, SEED_SAMPLES:]

    return go_on


class Ridge(nn.Module):
    """Ridge regression with the interface of a score creator."""

    def __init__(self, frames: Path):
        super().__init__()
        windows = Windows(frames, "train")
        self.size = windows.size
        self._predict, _ = ridge(windows, Windows(frames, "valid"))

    def sample(self, past: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Predict the five frames that follow, whatever the noise."""
        return self._predict(past.float()).to(past)


def true_content(encoder: Autoencoder) -> Way:
    """Let the truth be the score creator."""

    def way(piece: np.ndarray, seed: int) -> np.ndarray:
        sound = torch.from_numpy(piece)
        with torch.no_grad():
            content = encoder.encode(sound)[:, : encoder.content]
            numbers = encoder.complete(content, sound[:, :SEED_SAMPLES])
            heard = torch.cat(list(encoder.decode_parts(numbers)), 1)
        return heard[:, SEED_SAMPLES : piece.shape[1]].clamp(-1, 1).numpy()

    return way


def loop(piece: np.ndarray, seed: int) -> np.ndarray:
    """Repeat what was given."""
    times = -(-piece.shape[1] // SEED_SAMPLES) - 1
    return np.tile(piece[:, :SEED_SAMPLES], times)[:, : piece.shape[1] - SEED_SAMPLES]


def truth(piece: np.ndarray, seed: int) -> np.ndarray:
    """Go on as the piece does."""
    return piece[:, SEED_SAMPLES:]


def held_out(sounds: Sounds, most: int, length: float) -> list[Piece]:
    """The longest test pieces, each up to its last complete ten seconds of music."""
    tests = sorted(sounds.of("test"), key=lambda i: -sounds.samples[i])
    return [
        Piece(sounds.id[i], sounds.piece(i, 0, samples))
        for i in tests[:most]
        if (samples := _whole(sounds.samples[i] - TAIL * RATE, length)) > SEED_SAMPLES
    ]


def _whole(samples: float, length: float) -> int:
    """The number of samples in complete parts, if a continuation has a length in seconds."""
    most = min(samples / RATE, SEED_SAMPLES / RATE + length)
    return int(most // SECONDS) * SECONDS * RATE


def solo(params: Params, row: dict[str, str], program: int) -> np.ndarray:
    """Render a piece of the corpus with one instrument: ndarray[float32], shape [2, samples]."""
    seed = derive(params.seed, "solo", row["id"])
    score, _, _ = varied(Stored.of(CORPUS, row).score(), [program], seed)
    return np.ascontiguousarray(render(score).T, np.float32)


def solos(params: Params, pieces: Sequence[Piece], length: float) -> list[Piece]:
    """Render held-out pieces with one instrument each."""
    rows = {row["id"]: row for row in files.rows(CORPUS / SONGS)}
    programs = params.audio.instruments * SOLOS
    found = []
    for piece, program in zip(pieces, programs, strict=False):
        sound = solo(params, rows[piece.id], program)
        samples = _whole(sound.shape[1] - TAIL * RATE, length)
        found.append(Piece(piece.id, np.ascontiguousarray(sound[:, :samples]), program))
    return [piece for piece in found if piece.sound.shape[1] > SEED_SAMPLES]


def listener(params: Params) -> Pipeline:
    """Teach a classifier the instruments, on training pieces rendered with one of them each."""
    rows = [row for row in files.rows(CORPUS / SONGS) if row["split"] == "train"]
    programs = params.audio.instruments * LESSONS
    lessons = list(zip(rows, programs, strict=False))
    heard = [
        solo(params, row, program)[:, : LESSON_SECONDS * RATE]
        for row, program in progress(lessons, len(lessons), "instruments")
    ]
    return instruments.learn(heard, programs[: len(heard)])


def continuation_tables(
    params: Params, sounds: Sounds, ways: dict[str, Callable[[], Way]], most: int
) -> None:
    """Print a table for each way of going on.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    sounds : Sounds
        The collection.
    ways : dict of str to callable
        By their names, what makes each when it is needed.
    most : int
        The most pieces to continue.
    """
    length = params.improvise.seconds
    mixed = held_out(sounds, most, length)
    alone = solos(params, mixed, length)
    given, true = ([getattr(piece, part) for piece in mixed] for part in ("given", "true"))
    truly = [continuation.describe(*pair) for pair in zip(given, true, strict=True)]
    classifier = listener(params)
    truly_named = named(classifier, alone, [piece.true for piece in alone])
    for name, make in ways.items():
        way = make()
        made = [go_on(way, piece, params.seed) for piece in progress(mixed, len(mixed), name)]
        ours = [continuation.describe(*pair) for pair in zip(given, made, strict=True)]
        played = [go_on(way, piece, params.seed) for piece in progress(alone, len(alone), name)]
        print(heading(name, truly))
        for figure in AIMS:
            print(line(figure, truly, ours))
        print(named_line(truly_named, named(classifier, alone, played), len(alone)))
        print(told_line(likeness.told_apart(given, made, true), len(truly_named)), flush=True)


def go_on(way: Way, piece: Piece, seed: int) -> np.ndarray:
    """Continue a piece, as long as it goes on itself."""
    return way(piece.sound, derive(seed, "continuation", piece.id))


def by_part(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of each part, the values of all pieces that have it."""
    return [np.array([row[k] for row in rows if len(row) > k]) for k in range(max(map(len, rows)))]


def heading(name: str, truly: Sequence[dict[str, np.ndarray]]) -> str:
    """The first two lines of a table."""
    parts = by_part([row["level"] for row in truly])
    times = [f"{(k + 1) * SECONDS}-{(k + 2) * SECONDS} s" for k in range(len(parts))]
    columns = [
        name,
        *(f"true {time}, {len(part)} pieces" for time, part in zip(times, parts, strict=True)),
        *(f"made {time}" for time in times),
    ]
    columns += ["aim", "reached"]
    return f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def off(figure: str, true: np.ndarray, made: np.ndarray) -> np.ndarray:
    """How far figures are off; infinitely where nothing is heard."""
    if figure == "level":
        return np.abs(made)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(made / true, nan=np.inf)
    return ratio if figure.endswith("distance") else np.abs(ratio - 1)


def line(
    figure: str, truly: Sequence[dict[str, np.ndarray]], ours: Sequence[dict[str, np.ndarray]]
) -> str:
    """A line of a table: medians over pieces; in brackets, those of how far each is off."""
    name, form, aim, most = AIMS[figure]
    true, made = (by_part([row[figure] for row in rows]) for rows in (truly, ours))
    cells = [f"{np.median(values):{form}}" for values in (*true, *made)]
    if most is None:
        return f"| {name} | {' | '.join(cells)} | | |"
    away = [float(np.median(off(figure, *pair))) for pair in zip(true, made, strict=True)]
    cells[len(true) :] = [
        f"{cell} ({_amount(figure, value)})"
        for cell, value in zip(cells[len(true) :], away, strict=True)
    ]
    return f"| {name} | {' | '.join(cells)} | {aim} | {'yes' if max(away) <= most else 'no'} |"


def _amount(figure: str, value: float) -> str:
    """How far off, in the unit of the aim."""
    if figure == "level":
        return f"{value:.1f} dB"
    return f"{value:.1f} x" if figure.endswith("distance") else f"{100 * value:.0f} %"


def named(
    classifier: Pipeline, pieces: Sequence[Piece], continuations: Sequence[np.ndarray]
) -> list[float]:
    """The share of all seconds of each part that sound like the instrument of their piece."""
    right = [
        (
            instruments.name(classifier, sound, descriptors.floor_of(piece.given)) == piece.program
        ).reshape(-1, SECONDS)
        for piece, sound in zip(pieces, continuations, strict=True)
    ]
    return [float(part.mean()) for part in by_part(right)]


def named_line(true: list[float], made: list[float], pieces: int) -> str:
    """The line of a table that says whether instruments stay the same."""
    reached = "yes" if min(made) >= NAMED else "no"
    cells = " | ".join(f"{100 * share:.0f} %" for share in (*true, *made))
    name = f"seconds that sound like the instrument ({pieces} pieces of one)"
    return f"| {name} | {cells} | at least {100 * NAMED:.0f} % | {reached} |"


def told_line(apart: list[float] | None, parts: int) -> str:
    """The line of a table that says how well a classifier knows what was made."""
    if apart is None:
        return f"| told from true {'| ' * 2 * parts}| at most {TOLD_APART} | too few pieces |"
    reached = "yes" if apart[0] <= TOLD_APART else "no"
    cells = "| " * parts + f"| {apart[0]:.2f} +- {apart[1]:.2f}, all parts " + "| " * (parts - 1)
    return f"| told from true {cells}| at most {TOLD_APART} | {reached} |"


def onset_table(params: Params, sounds: Sounds, most: int) -> None:
    """Print how many onsets are found, in held-out pieces and in those of one instrument."""
    rows = {row["id"]: row for row in files.rows(CORPUS / SONGS)}
    length = params.improvise.seconds
    mixed = held_out(sounds, most, length)
    cases = {"as they are": [(p, params.audio.instruments, "audio") for p in mixed]}
    for piece in solos(params, mixed, length):
        name = program_to_instrument_name(piece.program)
        cases.setdefault(name, []).append((piece, [piece.program], "solo"))
    print(
        "\n| onsets of held-out pieces | precision | recall | found a true one |\n|---|---|---|---|"
    )
    for name, case in cases.items():
        found, true, right = 0, 0, 0
        for piece, programs, drawn in case:
            seed = derive(params.seed, drawn, piece.id)
            score, silence, _ = varied(Stored.of(CORPUS, rows[piece.id]).score(), programs, seed)
            begins = seconds(score, np.unique(score.notes["onset"]))
            begins += int(silence * RATE) / RATE if drawn == "audio" else 0
            begins = begins[np.diff(begins, prepend=-1) > CHORD]
            begins = begins[begins < piece.sound.shape[1] / RATE]
            mel = descriptors.mel_spectrogram(piece.sound, descriptors.floor_of(piece.sound))
            heard = descriptors.onsets(mel)
            near = csr_array(np.abs(begins[:, None] - heard) <= NEAR)
            found, true = found + len(heard), true + len(begins)
            right += int((maximum_bipartite_matching(near) >= 0).sum())
        print(f"| {name} | {right / found:.3f} | {right / true:.3f} | {found / true:.2f} |")
