"""Writing around what is given, on all test chorales: harmonies, and bars in the middle.

    python bench/harmonise.py
    python bench/harmonise.py --what evidence --particles 16 64 --pieces 8

Run it after `dvc repro`: it uses data/dataset and the models in models/.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import masked
import numpy as np
import torch
from joblib import Parallel, delayed

from ostinato.core import devices
from ostinato.core.params import read_params
from ostinato.core.progress import progress
from ostinato.notes import system
from ostinato.notes.compose import around, outline
from ostinato.notes.compose import filter as smc
from ostinato.notes.compose.outline import Outline, Plan
from ostinato.notes.compose.pieces import beginning_of
from ostinato.notes.data.dataset import quantise
from ostinato.notes.data.positions import FINAL
from ostinato.notes.data.rolls import CLASSES, render_roll
from ostinato.notes.data.songs import Songs
from ostinato.notes.report import music
from ostinato.notes.report.likeness import told_apart
from ostinato.notes.system import System
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Score, tidy, voices_of

WHAT = "evidence", "quality", "fill"
VOICES = "alto", "tenor", "bass"
FEATURES = (
    "four_keys", "fewer_than_three", "struck", "note_length", "dissonance", "parallels",
)  # fmt: skip
"""See `ostinato.notes.report.features`."""
BEST_OF = 64
GAP = 4
"""Bars in the middle that are written anew."""
LONGEST = 2000
"""Bars of a song that count: all."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT, help="all, if not said")
    parser.add_argument("--particles", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--pieces", type=int, default=10_000, help="chorales, at most")
    options = parser.parse_args()
    params = read_params(Path("params.yaml"))
    devices.prepare(params.threads, params.seed)
    writer = system.load(Path("models/generator"), Path("models/decoder"))
    songs = Songs(Path("data/dataset"), writer.representation)
    chorales = four_voices(songs, "test")[: options.pieces]
    print(f"{len(chorales)} chorales")
    if "evidence" in options.what:
        evidence_table(writer, songs, chorales, options.particles)
    if "quality" in options.what:
        quality_table(writer, songs, chorales)
    if "fill" in options.what:
        fill_table(writer, songs, chorales)


def four_voices(songs: Songs, split: str) -> list[int]:
    """The chorales of a split: its songs for four voices."""
    count = 1 + len(VOICES)
    return [song for song in songs.of(split) if len(voices_of(whole(songs, song))) == count]


def whole(songs: Songs, song: int) -> Score:
    """Write all of a song as a score."""
    return beginning_of(songs, song, LONGEST, 100.0)


Found = TypeVar("Found")


def of_each(task: Callable[[int], Found], chorales: list[int], name: str) -> list[Found]:
    """Do something with each chorale, one on each core."""
    params = read_params(Path("params.yaml"))

    def alone(song: int) -> Found:
        devices.prepare(1, params.seed)
        return task(song)

    work = Parallel(params.threads, return_as="generator")(map(delayed(alone), chorales))
    return list(progress(work, len(chorales), name))


def evidence_table(writer: System, songs: Songs, chorales: list[int], particles: list[int]) -> None:
    """Print what the filter says of the probability of sopranos, with more and more particles."""

    def task(song: int, count: int) -> tuple[smc.Written, float]:
        plan = Plan(outline.melody(whole(songs, song)), writer.steps_per_beat)
        positions = torch.from_numpy(plan.positions)
        given = [each._replace(rest=0.0, strike=0.0) for each in plan.given]
        begin = time.perf_counter()
        written = smc.write_around(
            writer.generator, given, positions, 1, count, song, likely=plan.likely
        )
        return written, time.perf_counter() - begin

    heads = (
        "particles",
        "log-probability of the soprano, nats",
        "a step",
        "effective number, median",
        "steps with less than 2",
        "seconds a chorale on one core, median",
    )
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for count in particles:
        done, times = zip(
            *of_each(partial(task, count=count), chorales, f"{count} particles"), strict=True
        )
        nats = [written.evidence.item() for written in done]
        every = torch.cat([written.effective[0] for written in done])
        print(
            f"| {count} | {statistics.mean(nats):.1f} | {sum(nats) / len(every):.3f} "
            f"| {every.median().item():.1f} | {100 * (every < 2).double().mean().item():.1f} % "
            f"| {statistics.median(times):.1f} |",
            flush=True,
        )


Harmonise = Callable[[int, Outline], Score]


def quality_table(writer: System, songs: Songs, chorales: list[int]) -> None:
    """Print how near harmonisations are to Bach's, and whether they can be told from these."""
    usual = UsualChords(songs)
    ways: dict[str, Harmonise] = {
        "Bach": lambda song, given: whole(songs, song),
        "64 particles, temperature 1": particles(writer, 64, 1.0),
        "64 particles, temperature 0.8": particles(writer, 64, 0.8),
        "64 particles, temperature 0.5": particles(writer, 64, 0.5),
        f"best of {BEST_OF}": best_of(writer, BEST_OF),
        "trained on masks, temperature 1": Masks(songs, 1.0),
        "trained on masks, temperature 0.5": Masks(songs, 0.5),
        "the usual chord": usual,
    }
    real = pieces_of([whole(songs, song) for song in chorales], chorales, songs)
    heads = ["sopranos harmonised", *VOICES, "log-probability a step", "told from Bach's"]
    heads += [name.replace("_", " ") for name in FEATURES]
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, way in ways.items():
        made = of_each(
            lambda song, way=way: way(song, outline.melody(whole(songs, song))), chorales, name
        )
        same = np.mean([
            agreement(whole(songs, song), score)
            for song, score in zip(chorales, made, strict=True)
        ], 0)  # fmt: skip
        nats = [nats_a_step(writer, songs, *pair) for pair in zip(chorales, made, strict=True)]
        ours = pieces_of(made, chorales, songs)
        told = "" if name == "Bach" else told_from(ours, real)
        cells = [f"{100 * share:.0f} %" for share in same] + [f"{np.mean(nats):.3f}", told]
        for feature in FEATURES:
            found = [window.figures[feature] for window in ours.windows]
            cells.append(f"{np.nanmean(np.array(found, float)):.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def told_from(ours: music.Pieces, real: music.Pieces) -> str:
    """The balanced accuracy of a classifier, its mean and standard deviation over five seeds."""
    found = told_apart(ours.windows, ours.groups, real.windows, real.groups)
    return f"{found[0]:.2f} +- {found[1]:.2f}" if found else ""


def particles(writer: System, count: int, temperature: float) -> Harmonise:
    """Harmonise by the filter."""

    def way(song: int, given: Outline) -> Score:
        return around.sample(writer, given, 1, count, temperature, song)[0].score

    return way


def best_of(writer: System, count: int) -> Harmonise:
    """Write voices without looking at the melody above, and take the best of many."""

    def way(song: int, given: Outline) -> Score:
        with patch.object(smc, "FORESIGHT", 1), patch.object(around, "PATIENCE", 1):
            tried = around.sample(writer, given, count, 1, 1.0, song)
        return max(tried, key=lambda piece: piece.evidence).score

    return way


class UsualChords:
    """Sets below each note of a melody the chord that training chorales have there most often.

    Counted by the interval of the note from the final, and by whether thirds above the final are
    mostly major.
    """

    def __init__(self, songs: Songs):
        self._songs = songs
        counts: dict[tuple[bool, int], Counter[tuple[int, ...]]] = {}
        for song in songs.of("train"):
            score = whole(songs, song)
            if len(voices := voices_of(score)) != 1 + len(VOICES):
                continue
            soprano, *others = (score.notes[score.notes["part"] == part] for part in voices)
            for place, note in zip(self._places(song, soprano), soprano, strict=True):
                below = [sounding(voice, note["onset"]) for voice in others]
                if None not in below:
                    chord = tuple(int(note["pitch"]) - pitch for pitch in below)
                    counts.setdefault(place, Counter())[chord] += 1
        self._chords = {place: found.most_common(1)[0][0] for place, found in counts.items()}

    def _places(self, song: int, melody: np.ndarray) -> list[tuple[bool, int]]:
        final = int(self._songs.positions(song, 0, 1)[0, FINAL])
        degrees = (melody["pitch"].astype(int) - final) % CLASSES
        major = bool((degrees == 4).sum() >= (degrees == 3).sum())
        return [(major, degree) for degree in degrees.tolist()]

    def __call__(self, song: int, given: Outline) -> Score:
        """Harmonise a melody."""
        melody = given.score.notes
        rows = []
        for place, note in zip(self._places(song, melody), melody, strict=True):
            chord = self._chords.get(place) or self._chords[place[0], 0]
            for part, interval in enumerate((0, *chord)):
                pitch = int(note["pitch"]) - interval
                rows.append((note["onset"], note["length"], pitch, note["velocity"], part))
        parts = [given.score.parts[0]] * (1 + len(VOICES))
        return replace(given.score, notes=tidy(np.array(rows, NOTE)), parts=parts)


class Masks:
    """Harmonises with a model that is trained on masks; see `masked`."""

    def __init__(self, songs: Songs, temperature: float):
        self._songs, self._temperature = songs, temperature
        params = read_params(Path("params.yaml"))
        self._model = masked.fitted(
            *([sung(songs, song) for song in four_voices(songs, split)]
              for split in ("train", "valid")),
            songs.folder / "notes.npy",
            params.generator.training,
            params.seed,
        )  # fmt: skip

    def __call__(self, song: int, given: Outline) -> Score:
        """Harmonise a melody. Voices that stay are struck again where the melody is."""
        soprano, *lower = masked.harmonised(
            self._model, sung(self._songs, song)[0], self._temperature, song
        )
        ticks = TICKS_PER_BEAT // self._songs.steps_per_beat
        struck = np.zeros(len(soprano) + 1, bool)
        struck[(given.score.notes["onset"] // ticks).astype(int)] = True
        notes, velocity = [given.score.notes], given.score.notes["velocity"][0]
        for part, voice in enumerate(lower, 1):
            new = struck[:-1] | (np.diff(voice, prepend=0) != 0)
            begins = np.flatnonzero(new)
            lengths = np.diff(begins, append=len(voice))
            rows = [
                (begin * ticks, length * ticks, voice[begin], velocity, part)
                for begin, length in zip(begins, lengths, strict=True)
                if voice[begin]
            ]
            notes.append(np.array(rows, NOTE))
        parts = [given.score.parts[0]] * (1 + len(VOICES))
        return replace(given.score, notes=tidy(np.concatenate(notes)), parts=parts)


def sung(songs: Songs, song: int) -> np.ndarray:
    """What each voice of a chorale sings: ndarray[int64], shape [4, steps], pitches or 0."""
    score = whole(songs, song)
    notes = score.notes
    found = np.zeros((1 + len(VOICES), int(songs.steps[song])), np.int64)
    ticks = TICKS_PER_BEAT // songs.steps_per_beat
    for voice, part in enumerate(voices_of(score)):
        for note in notes[notes["part"] == part]:
            begin, end = note["onset"] // ticks, (note["onset"] + note["length"]) // ticks
            found[voice, begin:end] = note["pitch"]
    return found


def sounding(voice: np.ndarray, tick: int) -> int | None:
    """The pitch that a voice sings at a tick."""
    on = voice[(voice["onset"] <= tick) & (voice["onset"] + voice["length"] > tick)]
    return int(on["pitch"][0]) if len(on) else None


def agreement(true: Score, made: Score) -> list[float]:
    """Shares of notes of the true alto, tenor and bass that the same voice sings there, too."""
    _, *voices = voices_of(true)
    parts = np.unique(made.notes["part"]).tolist()
    own = [*parts[1:3], parts[-1]] if len(parts) > len(VOICES) else [parts[-1]] * len(VOICES)
    shares = []
    for part, other in zip(voices, own, strict=True):
        notes = true.notes[true.notes["part"] == part]
        sung = made.notes[made.notes["part"] == other]
        same = [sounding(sung, int(note["onset"])) == int(note["pitch"]) for note in notes]
        shares.append(float(np.mean(same)))
    return shares


def rolls_of(score: Score, steps: int, songs: Songs) -> np.ndarray:
    """The whole notes of a score: ndarray[int8], shape [steps, 88]."""
    notes = quantise(score, songs.steps_per_beat)
    return np.sign(render_roll(notes, 0, steps, representation="notes"))


@torch.inference_mode()
def nats_of(writer: System, songs: Songs, song: int, score: Score) -> np.ndarray:
    """The log-probability of each step of a score, at the places of a song: ndarray[S]."""
    steps = int(songs.steps[song])
    generator = writer.generator
    notes = torch.from_numpy(rolls_of(score, steps, songs)).float()[None]
    positions = torch.from_numpy(songs.positions(song, 0, steps))[None]
    silence = notes.new_zeros(1, generator.context_length, notes.shape[2])
    unused = notes.new_zeros(1, steps, generator.num_uniforms)
    return generator.log_prob(notes, generator.initial(silence, positions), unused)[0][0].numpy()


def nats_a_step(writer: System, songs: Songs, song: int, score: Score) -> float:
    """The mean log-probability of a step."""
    return float(nats_of(writer, songs, song, score).mean())


def pieces_of(scores: list[Score], chorales: list[int], songs: Songs) -> music.Pieces:
    """Scores as they are measured."""
    rolls = [
        rolls_of(score, int(songs.steps[song]), songs)
        for score, song in zip(scores, chorales, strict=True)
    ]
    bars = [int(songs.bar[song]) for song in chorales]
    return music.Pieces(rolls, bars, chorales, songs.steps_per_beat)


def fill_table(writer: System, songs: Songs, chorales: list[int]) -> None:
    """Print how well the bars after a gap follow from what is in it."""
    following = dict(zip(chorales, chorales[1:] + chorales[:1], strict=True))

    def task(song: int) -> dict[str, tuple[float, float]]:
        score = whole(songs, song)
        first = len(outline.bar_lines(score)) // 2 - GAP // 2
        given = outline.gap(score, first, first + GAP - 1)
        other = whole(songs, following[song])
        blind = replace(given, score=before(given), stop=given.end, final=None)
        ways = {
            "true bars": score,
            "64 particles": around.sample(writer, given, 1, 64, 1.0, song)[0].score,
            "16 particles": around.sample(writer, given, 1, 16, 1.0, song)[0].score,
            "without looking ahead": joined(
                given, around.sample(writer, blind, 1, 2, 1.0, song)[0].score
            ),
            "bars of another song": joined(given, transposed(other, given, songs, song)),
        }
        ticks = TICKS_PER_BEAT // writer.steps_per_beat
        end = given.end // ticks
        after = slice(end, end + GAP * int(songs.bar[song]))
        inside = slice(given.begin // ticks, end)
        nats = {name: nats_of(writer, songs, song, each) for name, each in ways.items()}
        return {name: (-each[after].mean(), -each[inside].mean()) for name, each in nats.items()}

    long = [song for song in chorales if len(outline.bar_lines(whole(songs, song))) >= 3 * GAP]
    found = of_each(task, long, "fill")
    print("\n| bars | nats a step of the four bars after them | of themselves |\n|---|---|---|")
    for name in found[0]:
        after, inside = np.mean([each[name] for each in found], 0)
        print(f"| {name} | {after:.3f} | {inside:.3f} |")


def before(given: Outline) -> Score:
    """What comes before a gap."""
    return replace(given.score, notes=given.score.notes[given.score.notes["onset"] < given.begin])


def joined(given: Outline, other: Score) -> Score:
    """Put the notes of another score into a gap."""
    onset = other.notes["onset"]
    new = other.notes[(onset >= given.begin) & (onset < given.end)]
    new["length"] = np.minimum(new["length"], given.end - new["onset"])
    return replace(given.score, notes=tidy(np.concatenate([given.score.notes, new])))


def transposed(other: Score, given: Outline, songs: Songs, song: int) -> Score:
    """Another song in the key of a song."""
    last = other.notes[other.notes["onset"] + other.notes["length"] == other.end]["pitch"].min()
    final = int(songs.positions(song, 0, 1)[0, FINAL])
    shift = (final - int(last) + 6) % CLASSES - 6
    notes = other.notes.copy()
    notes["pitch"] = notes["pitch"].astype(int) + shift
    return replace(other, notes=notes)


if __name__ == "__main__":
    main()
