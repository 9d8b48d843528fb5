"""The evaluation of trained models and of what they composed."""

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
from ostinato.notes.report import metrics as figures
from ostinato.notes.report import plots
from ostinato.notes.system import System
from ostinato.scores import plotting
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT


def write_report(out: Path, dataset: Path, models: Path, composed: Path, params: Params) -> None:
    """Write ``evaluate.json`` and, in ``evaluate``, the plots.

    Parameters
    ----------
    out : Path
        A folder.
    dataset, models, composed : Path
        Folders of the dataset, the trained models and the compositions.
    params : Params
        The whole of params.yaml.
    """
    seed = derive(params.seed, "evaluate")
    training.prepare(params.threads, seed)
    writer = system.load(models / "generator", models / "decoder")
    songs = Songs(dataset, "holding" if writer.holding else "onset")
    steps_per_beat = writer.steps_per_beat
    valid, test = songs_of(songs, "valid"), songs_of(songs, "test")
    pieces = compositions(composed, steps_per_beat)
    known = figures.Copies(songs_of(songs, "train").rolls)
    report = {
        "prediction": prediction(writer, songs, "test", params.evaluate.draws, seed),
        "compositions": music_figures(pieces, test, known, steps_per_beat),
        "real": music_figures(valid, test, known, steps_per_beat),
    }
    files.write_json(out / "evaluate.json", report)
    folder = out / "evaluate"
    sets = {"compositions": pieces, "test songs": test, "validation songs": valid}
    counted = {name: figures.histograms(s.rolls, steps_per_beat) for name, s in sets.items()}
    plotting.save(folder / "histograms.png", plots.histograms(counted))
    similar = {
        "compositions": report["compositions"]["self_similarity"],
        "validation songs": report["real"]["self_similarity"],
    }
    plotting.save(folder / "self_similarity.png", plots.self_similarity(similar))
    memory = writer.generator.memory
    if hasattr(memory, "reading"):
        longest = max(songs.of("test"), key=lambda song: int(songs.steps[song]))
        onsets = songs.roll(longest, 0, int(songs.steps[longest]))
        bar = int(songs.bar[longest])
        weights = reading(writer, onsets)
        plotting.save(folder / "reading.png", plots.reading(onsets, weights, memory.lags, bar))


MOST = 65_536
"""Songs times steps times draws that are evaluated at once."""

MIXED = 1e-4
"""Probability of the independent keys that each system is mixed with."""


@dataclass(frozen=True)
class Pieces:
    """Music to be measured: onsets of each piece from a bar's beginning, and its bar in steps."""

    rolls: list[np.ndarray]
    bars: list[int]


@torch.no_grad()
def prediction(
    system: System, songs: Songs, split: str, draws: int, seed: int
) -> dict[str, float | bool | None]:
    """Measure how well a system predicts songs, each step once, given the true past.

    The system is mixed with a little of something that can play anything: at each step, with
    probability 1e-4, every key sounds on its own, as often as in the training songs. So a step that
    the system cannot draw costs much, but not everything, the same for all systems.

    Parameters
    ----------
    system : System
        Trained.
    songs : Songs
        The dataset.
    split : str
        Which songs, whole and untransposed.
    draws : int
        How often each step is drawn, and each song's probability where it is only bounded.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        ``nll``: the system's own negative log-probability of the 88 keys, in nats a step, the mean
        over all steps; None where it is only bounded or a step cannot be drawn. ``log_prob``: that
        of the mixture. ``exact``: whether both are exact; otherwise it is a lower bound in
        expectation, the log-mean-exp of `draws` whole songs. ``impossible_steps``: the share of
        steps that the system cannot draw. ``precision``, ``recall``, ``f1``: of one draw of the
        keys of a step against what was played, counted over all steps and draws together.
        ``octave_accuracy``: of systems with a decoder, the share of sounding pitch classes all of
        whose keys it finds.
    """
    names = ("steps", "own", "log_prob", "impossible", "hits", "drawn", "played")
    counts = dict.fromkeys(names, 0.0)
    rates = key_rates(songs)
    parts = list(held_out(songs, split, system.reach, rolls.KEYS, MOST // draws))
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


def key_rates(songs: Songs) -> Tensor:
    """Count how often each key stands in the training songs.

    Returns
    -------
    Tensor[88] of float64
        A share of all steps, between 0 and 1: each key counts half a step more than it stands.
    """
    drawn = [songs.roll(i, 0, int(songs.steps[i])) for i in songs.of("train")]
    stands = sum(roll.sum(0, dtype=float) for roll in drawn)
    return torch.from_numpy((stands + 0.5) / (sum(map(len, drawn)) + 1))


def _count(system: System, batch: Batch, rates: Tensor, draws: int, seed: int) -> dict[str, float]:
    """Sum log-probabilities, and count keys drawn and played, over some songs and draws."""

    def repeat(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(draws, 0)

    generator, performer = system.generator, system.performer
    notes = performer.classes(batch.notes)
    begin = generator.initial(performer.classes(batch.past), batch.start)
    features, _ = generator.features(notes, begin)
    features, notes, keys, mask = (repeat(t) for t in (features, notes, batch.notes, batch.mask))
    past = repeat(batch.past)
    voices = generator.sampler.initial(performer.classes(past))
    hands = performer.initial(past)
    shape = (2, *mask.shape, system.draws)
    for_truth, for_draws = map(system.split, noise.uniforms(shape, seed, "evaluate"))
    nats, guesses = [], []
    for step in range(keys.shape[1]):
        now = slice(step, step + 1)
        written, played = (u[:, now] for u in for_draws)
        guess, _ = generator.sampler.sample(features[:, now], voices, written, 1.0)
        guess, _ = performer.sample(guess, hands, played, 1.0)
        guesses.append(guess > 0)
        written, played = (u[:, now] for u in for_truth)
        of_notes, voices = generator.sampler.log_prob(
            features[:, now], notes[:, now], voices, written
        )
        of_keys, _ = performer.log_prob(keys[:, now], hands, played)
        hands = performer.follow(keys[:, now], hands)
        nats.append(of_notes.double() + of_keys.double())
    log_probs = torch.cat(nats, 1)
    anything = (keys * rates.log() + (1 - keys) * (-rates).log1p()).sum(-1)
    mixed = torch.logaddexp(math.log1p(-MIXED) + log_probs, math.log(MIXED) + anything)
    own = log_probs.masked_fill(mask == 0, 0)
    by_song = (mixed * mask).sum(1).unflatten(0, (-1, draws))
    drawn = torch.cat(guesses, 1) * mask[..., None]
    return {
        "steps": float(batch.mask.sum()),
        "own": float(own.sum() / draws),
        "log_prob": float((by_song.logsumexp(1) - math.log(draws)).sum()),
        "impossible": float((log_probs.isinf() * mask).sum() / draws),
        "hits": float((drawn * keys).sum()),
        "drawn": float(drawn.sum()),
        "played": float((keys * mask[..., None]).sum()),
    }


@torch.no_grad()
def octave_accuracy(decoder: nn.Module, songs: Songs, split: str) -> float:
    """Measure how often a decoder finds the octaves, given true pitch classes and true past.

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
        The share of sounding pitch classes, over all steps, all of whose keys are right.
    """
    wrong, sounding = 0.0, 0.0
    for batch in held_out(songs, split, decoder.reach, rolls.KEYS):
        guess = decoder.likeliest(batch.notes, decoder.initial(batch.past))
        played = decoder.classes(batch.notes * batch.mask[..., None])
        wrong += float((decoder.classes((guess - batch.notes).abs()) * played).sum())
        sounding += float(played.sum())
    return 1 - wrong / sounding


def music_figures(
    pieces: Pieces, reference: Pieces, known: figures.Copies, steps_per_beat: int
) -> dict[str, Any]:
    """Measure pieces against reference songs.

    Parameters
    ----------
    pieces : Pieces
        What is measured.
    reference : Pieces
        Real songs.
    known : Copies
        Finds what was copied from the training songs.
    steps_per_beat : int
        Steps in a quarter note.

    Returns
    -------
    dict
        ``distance``: Jensen-Shannon distances of histograms to the reference. ``silent_steps``: a
        share. ``longest_copy``: the longest run copied from a training song, in steps, and its mean
        over the pieces. ``self_similarity``: for each lag in bars, the mean over the pieces.
        ``repetition``: the share of onsets that are repeated to the note, the mean over the pieces.
    """
    copies = [known.longest(roll) for roll in pieces.rolls]
    similar = {
        lag: [
            value
            for roll, bar in zip(pieces.rolls, pieces.bars, strict=True)
            if (value := figures.self_similarity(roll, bar, lag)) is not None
        ]
        for lag in figures.BARS
    }
    repeated = [
        value
        for roll, bar in zip(pieces.rolls, pieces.bars, strict=True)
        if (value := figures.repetition(roll, steps_per_beat, bar)) is not None
    ]
    return {
        "distance": figures.distances(
            figures.histograms(pieces.rolls, steps_per_beat),
            figures.histograms(reference.rolls, steps_per_beat),
        ),
        "silent_steps": figures.silence(pieces.rolls),
        "longest_copy": {"max": max(copies), "mean": float(np.mean(copies))},
        "self_similarity": {
            str(lag): float(np.mean(values)) for lag, values in similar.items() if values
        },
        "repetition": float(np.mean(repeated)) if repeated else 0.0,
    }


def songs_of(songs: Songs, split: str) -> Pieces:
    """Draw the songs of a split as 88-key rolls."""
    chosen = songs.of(split)
    return Pieces(
        [rolls.onset_roll(songs.song(i), 0, int(songs.steps[i])) for i in chosen],
        songs.bar[chosen].tolist(),
    )


def compositions(folder: Path, steps_per_beat: int) -> Pieces:
    """Read compositions back from their MIDI files, from the first bar that is wholly new."""
    drawn, bars = [], []
    for piece in files.read_table(folder / "pieces.csv"):
        score = read_midi(folder / f"{piece['piece']}.mid", pickup=False)
        notes = quantise(score, steps_per_beat)
        bar = max(score.metres[0].bar * steps_per_beat // TICKS_PER_BEAT, 1)
        first = -(-SEED_STEPS // bar) * bar
        drawn.append(rolls.onset_roll(notes, first, max(int(piece["steps"]) - first, bar)))
        bars.append(bar)
    return Pieces(drawn, bars)


@torch.no_grad()
def reading(system: System, roll: np.ndarray) -> np.ndarray:
    """Tell where a generator's memory reads while it follows a piece.

    Parameters
    ----------
    system : System
        Its generator's memory has a method ``reading``.
    roll : ndarray[float32], shape [steps, 88]
        The piece, in the system's representation.

    Returns
    -------
    ndarray[float32], shape [steps, lags]
        The weight of each lag.
    """
    generator = system.generator
    notes = system.performer.classes(torch.from_numpy(roll)[None])
    past = torch.zeros(1, generator.reach, generator.keys)
    begin = generator.initial(past, torch.zeros(1, dtype=torch.int64))
    return generator.reading(notes, begin)[0].numpy()
