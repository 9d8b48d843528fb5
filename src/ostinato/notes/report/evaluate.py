"""Evaluation of trained models and of what they composed."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core import files, noise, training
from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.compose.compose import SEED_STEPS
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import quantise
from ostinato.notes.data.fragments import Batch, held_out
from ostinato.notes.data.songs import Songs
from ostinato.notes.report import features, metrics, plots
from ostinato.notes.system import System
from ostinato.scores import plotting
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT


def write_report(out: Path, dataset: Path, models: Path, composed: Path, params: Params) -> None:
    """Write ``evaluate.json`` and, in the folder ``evaluate``, the plots.

    Parameters
    ----------
    out : Path
        The folder to write into.
    dataset, models, composed : Path
        Folders of the dataset, the trained models and the compositions.
    params : Params
        The whole of params.yaml.
    """
    seed = derive(params.seed, "evaluate")
    training.prepare(params.threads, seed)
    writer = system.load(models / "generator", models / "decoder")
    songs = Songs(dataset, writer.representation)
    steps_per_beat = writer.steps_per_beat
    valid, test = songs_of(songs, "valid", SEED_STEPS), songs_of(songs, "test")
    pieces = compositions(composed, steps_per_beat)
    known = metrics.Copies(songs_of(songs, "train").onsets)
    report = {
        "prediction": prediction(writer, songs, "test", params.evaluate.draws, seed),
        "compositions": music_figures(pieces, test, known, steps_per_beat),
        "real": music_figures(valid, test, known, steps_per_beat),
    }
    files.write_metrics(out / "evaluate.json", report)
    folder = out / "evaluate"
    sets = {"compositions": pieces, "test songs": test, "validation songs": valid}
    counted = {name: metrics.histograms(s.onsets, steps_per_beat) for name, s in sets.items()}
    plotting.save(folder / "histograms.png", plots.histograms(counted))
    similar = {
        "compositions": report["compositions"]["self_similarity"],
        "validation songs": report["real"]["self_similarity"],
    }
    plotting.save(folder / "self_similarity.png", plots.self_similarity(similar))
    longest = max(songs.of("test"), key=lambda song: int(songs.steps[song]))
    whole = 0, int(songs.steps[longest])
    onsets = songs.roll(longest, *whole)
    weights = reading(writer, onsets, songs.positions(longest, *whole))
    if weights is not None:
        lags, bar = writer.generator.memory.lags, int(songs.bar[longest])
        plotting.save(folder / "reading.png", plots.reading(onsets, weights, lags, bar))


MOST = 65_536
"""Largest number of songs times steps times draws that are evaluated at once."""

STATES = 0, 1, -1
"""What a key does, as a number in a roll: it is silent, struck or held."""

MIXED = 1e-4
"""Weight of the independent keys that each system is mixed with; see `prediction`."""


@dataclass(frozen=True)
class Pieces:
    """Music to be measured.

    Attributes
    ----------
    rolls : list of ndarray[int8], shape [steps, 88]
        Whole notes, from a bar line on: 1 where a key is struck, -1 where it is held.
    bars : list of int
        Number of steps in a bar.
    """

    rolls: list[np.ndarray]
    bars: list[int]

    @property
    def onsets(self) -> list[np.ndarray]:
        """Rolls of ndarray[uint8], shape [steps, 88]: 1 where a key is struck."""
        return [(roll > 0).astype(np.uint8) for roll in self.rolls]


@torch.no_grad()
def prediction(
    system: System, songs: Songs, split: str, draws: int, seed: int
) -> dict[str, float | bool | None]:
    """Measure how well a system predicts each step of some songs, given the true past.

    For ``log_prob``, the system is mixed with a simple model that can play anything: at each step,
    with probability 1e-4, all keys are struck, held or silent independently, each as often as in
    the training songs. So a step that the system cannot draw has a high but finite cost, the same
    for all systems.

    Parameters
    ----------
    system : System
        Trained.
    songs : Songs
        The dataset.
    split : str
        Which songs; they are read whole and not transposed.
    draws : int
        How often each step is drawn and, if the system's probability is only bounded, how often
        this bound is computed.
    seed : int
        Seed for the draws.

    Returns
    -------
    dict
        ``nll``: the system's own negative log-probability of the 88 keys, in nats per step,
        averaged over all steps; None if it is only bounded, or if a step cannot be drawn.
        ``log_prob``: the log-probability under the mixture, averaged likewise. ``exact``: whether
        it is exact; otherwise it is a lower bound in expectation, the log-mean-exp over `draws`
        draws of whole songs. ``impossible_steps``: the share of steps that the system cannot draw.
        ``precision``, ``recall``, ``f1``: of one draw of the keys of a step against what was
        played, counted over all steps and draws together; to hold a key is not to strike it.
        ``octave_accuracy``: only for systems with a decoder, the share of sounding pitch classes
        all of whose keys it finds.
    """
    names = ("steps", "own", "log_prob", "impossible", "hits", "drawn", "played")
    counts = dict.fromkeys(names, 0.0)
    rates = state_rates(songs)
    parts = list(held_out(songs, split, system.context_length, rolls.KEYS, MOST // draws))
    for number, part in enumerate(progress(parts, len(parts), "evaluate")):
        for name, value in _count(system, part, rates, draws, derive(seed, number)).items():
            counts[name] += value
    whole = system.exact and not counts["impossible"]
    found = {
        "nll": -counts["own"] / counts["steps"] if whole else None,
        "log_prob": counts["log_prob"] / counts["steps"],
        "exact": system.exact,
        "impossible_steps": counts["impossible"] / counts["steps"],
        "precision": counts["hits"] / counts["drawn"] if counts["drawn"] else 0.0,
        "recall": counts["hits"] / counts["played"],
        "f1": 2 * counts["hits"] / (counts["drawn"] + counts["played"]),
    }
    if system.generator.keys == rolls.CLASSES:
        found["octave_accuracy"] = octave_accuracy(system.performer.decoder, songs, split)
    return found


def state_rates(songs: Songs) -> Tensor:
    """Compute how often each key is silent, struck (or marked), and held in the training songs.

    Returns
    -------
    Tensor[88, 3] of float64
        Shares of all steps, strictly between 0 and 1: half a step is added to each count.
    """
    counts = np.full((rolls.KEYS, 3), 0.5)
    for song in songs.of("train"):
        roll = songs.roll(song, 0, int(songs.steps[song]))
        counts += np.stack([(roll == state).sum(0) for state in STATES], -1)
    return torch.from_numpy(counts / counts.sum(-1, keepdims=True))


def _count(system: System, batch: Batch, rates: Tensor, draws: int, seed: int) -> dict[str, float]:
    """Sum log-probabilities, and count drawn and played keys, over some songs and draws."""
    shape = (draws, 2, *batch.mask.shape, system.num_uniforms)
    uniforms = noise.uniforms(shape, seed, "evaluate").to(batch.mask.device)
    keys, mask = batch.notes, batch.mask
    times = 1 if system.exact else draws
    begin = system.initial(batch.past.repeat(times, 1, 1), batch.positions.repeat(times, 1, 1))
    for_truth = uniforms[:times, 0].flatten(0, 1)
    log_probs, _ = system.log_prob(keys.repeat(times, 1, 1), begin, for_truth)
    log_probs = log_probs.double().unflatten(0, (times, -1))
    # As an index, -1 is the last of the three states.
    anything = rates.log()[torch.arange(rolls.KEYS), keys.long()].sum(-1)
    mixed = torch.logaddexp(math.log1p(-MIXED) + log_probs, math.log(MIXED) + anything)
    by_song = (mixed * mask).sum(-1)
    drawn = system.guess(batch, uniforms).sign() * mask[..., None]
    return {
        "steps": float(batch.mask.sum()),
        "own": float(log_probs.masked_fill(mask == 0, 0).mean(0).sum()),
        "log_prob": float((by_song.logsumexp(0) - math.log(times)).sum()),
        "impossible": float((log_probs.isinf() * mask).mean(0).sum()),
        "hits": float(((drawn == keys) & (drawn != 0)).sum()),
        "drawn": float(drawn.abs().sum()),
        "played": float((keys * mask[..., None]).abs().sum() * draws),
    }


@torch.no_grad()
def octave_accuracy(decoder: nn.Module, songs: Songs, split: str) -> float:
    """Measure how often a decoder finds the octaves, given the true pitch classes and past.

    Parameters
    ----------
    decoder : nn.Module
        Trained.
    songs : Songs
        The dataset.
    split : str
        Which songs.

    Returns
    -------
    float
        The share of sounding pitch classes, over all steps, of which all keys are right.
    """
    wrong, sounding = 0.0, 0.0
    for batch in held_out(songs, split, decoder.context_length, rolls.KEYS):
        guess = decoder.likeliest(batch.notes, decoder.initial(batch.past))
        played = decoder.classes(batch.notes * batch.mask[..., None])
        wrong += float((decoder.classes((guess - batch.notes).abs()) * played).sum())
        sounding += float(played.sum())
    return 1 - wrong / sounding


def music_figures(
    pieces: Pieces, reference: Pieces, known: metrics.Copies, steps_per_beat: int
) -> dict[str, Any]:
    """Compute metrics of pieces, some of them relative to reference songs.

    Parameters
    ----------
    pieces : Pieces
        The pieces to measure.
    reference : Pieces
        Real songs.
    known : Copies
        Finds what was copied from the training songs.
    steps_per_beat : int
        Number of steps in a quarter note.

    Returns
    -------
    dict
        ``distance``: Jensen-Shannon distances between the histograms of the pieces and those of the
        reference. ``silent_steps``: share of steps without an onset. ``longest_copy``: length of
        the longest run copied from a training song, in steps, as maximum and mean over the pieces.
        ``self_similarity``: for each lag in bars, the mean over the pieces. ``repetition``: the
        share of onsets that are repeated exactly, averaged over the pieces. ``features``: mean and
        standard deviation of what is counted in windows of 8 bars; see
        `ostinato.notes.report.features.figures`.
    """
    onsets = pieces.onsets
    copies = [known.longest(roll) for roll in onsets]
    similar = {
        lag: [
            value
            for roll, bar in zip(onsets, pieces.bars, strict=True)
            if (value := metrics.self_similarity(roll, bar, lag)) is not None
        ]
        for lag in metrics.BARS
    }
    repeated = [
        value
        for roll, bar in zip(onsets, pieces.bars, strict=True)
        if (value := metrics.repetition(roll, steps_per_beat, bar)) is not None
    ]
    return {
        "distance": metrics.distances(
            metrics.histograms(onsets, steps_per_beat),
            metrics.histograms(reference.onsets, steps_per_beat),
        ),
        "silent_steps": metrics.silence(onsets),
        "longest_copy": {"max": max(copies), "mean": float(np.mean(copies))},
        "self_similarity": {
            str(lag): float(np.mean(values)) for lag, values in similar.items() if values
        },
        "repetition": float(np.mean(repeated)) if repeated else 0.0,
        "features": features.summary(pieces.rolls, pieces.bars, steps_per_beat),
    }


def songs_of(songs: Songs, split: str, given: int = 0) -> Pieces:
    """Render the songs of a split, from the first bar line at which `given` steps are over."""
    chosen, drawn = songs.of(split), []
    for song in chosen:
        bar = int(songs.bar[song])
        first = -(-given // bar) * bar
        drawn.append(
            _whole_notes(songs.song(song), first, max(int(songs.steps[song]) - first, bar))
        )
    return Pieces(drawn, songs.bar[chosen].tolist())


def _whole_notes(notes: np.ndarray, start: int, steps: int) -> np.ndarray:
    return np.sign(rolls.render_roll(notes, start, steps, representation="notes"))


def compositions(folder: Path, steps_per_beat: int) -> Pieces:
    """Read compositions back from their MIDI files, from the first bar that is entirely new."""
    drawn, bars = [], []
    for piece in files.read_table(folder / "pieces.csv"):
        score = read_midi(folder / f"{piece['piece']}.mid", pickup=False)
        notes = quantise(score, steps_per_beat)
        bar = max(score.metres[0].bar * steps_per_beat // TICKS_PER_BEAT, 1)
        first = -(-SEED_STEPS // bar) * bar
        drawn.append(_whole_notes(notes, first, max(int(piece["steps"]) - first, bar)))
        bars.append(bar)
    return Pieces(drawn, bars)


@torch.no_grad()
def reading(system: System, roll: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
    """Compute where a generator's memory reads the past, as it processes a piece.

    Parameters
    ----------
    system : System
        Trained.
    roll : ndarray[float32], shape [steps, 88]
        The piece, in the system's representation.
    positions : ndarray[int64], shape [steps, 6]
        Where its steps stand; see `ostinato.notes.data.positions`.

    Returns
    -------
    ndarray[float32], shape [steps, lags], or None
        The weight of each lag; None if its memory does not choose.
    """
    generator = system.generator
    notes = system.performer.classes(torch.from_numpy(roll)[None])
    past = torch.zeros(1, generator.context_length, generator.keys)
    begin = generator.initial(past, torch.from_numpy(positions)[None])
    weights = generator.reading(notes, begin)
    return None if weights is None else weights[0].numpy()
