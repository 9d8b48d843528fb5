"""The evaluation of trained models and of what they composed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato import files, rolls, training
from ostinato.compose import SEED_STEPS, load_models
from ostinato.evaluation import figures, plots
from ostinato.fragments import Batch, held_out
from ostinato.generator import Generator
from ostinato.params import Params
from ostinato.progress import progress
from ostinato.scores.dataset import quantise
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT
from ostinato.seeds import derive
from ostinato.songs import Songs


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
    songs = Songs(dataset)
    generator, decoder = load_models(models)
    steps_per_beat = params.dataset.steps_per_beat
    valid, test = songs_of(songs, "valid"), songs_of(songs, "test")
    pieces = compositions(composed, steps_per_beat)
    known = figures.Copies(songs_of(songs, "train").rolls)
    report = {
        "generator": generator_figures(generator, songs, "test", params.evaluate.draws, seed),
        "decoder": {"octave_accuracy": octave_accuracy(decoder, songs, "test")},
        "compositions": music_figures(pieces, test, known, steps_per_beat),
        "real": music_figures(valid, test, known, steps_per_beat),
    }
    files.write_json(out / "evaluate.json", report)
    folder = out / "evaluate"
    sets = {"compositions": pieces, "test songs": test, "validation songs": valid}
    counted = {name: figures.histograms(s.rolls, steps_per_beat) for name, s in sets.items()}
    plots.save(folder / "histograms.png", plots.histograms(counted))
    similar = {
        "compositions": report["compositions"]["self_similarity"],
        "validation songs": report["real"]["self_similarity"],
    }
    plots.save(folder / "self_similarity.png", plots.self_similarity(similar))
    longest = max(range(len(test.rolls)), key=lambda i: len(test.rolls[i]))
    roll, bar = test.rolls[longest], test.bars[longest]
    weights, lags = reading(generator, roll), generator.memory.lags
    plots.save(folder / "reading.png", plots.reading(roll, weights, lags, bar))


MOST = 65_536
"""Songs times steps times draws that are evaluated at once."""


@dataclass(frozen=True)
class Pieces:
    """Music to be measured: onsets of each piece from a bar's beginning, and its bar in steps."""

    rolls: list[np.ndarray]
    bars: list[int]


@torch.no_grad()
def generator_figures(
    generator: Generator, songs: Songs, split: str, draws: int, seed: int
) -> dict[str, float]:
    """Measure how well a generator predicts songs, each step once, given the true past.

    Parameters
    ----------
    generator : Generator
        Trained.
    songs : Songs
        The dataset.
    split : str
        Which songs, whole and untransposed.
    draws : int
        How often each step is drawn.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to float
        ``loss``: the sampler's loss, nats a step. ``impossible_steps``: the share of steps that
        the sampler cannot draw; they are not in the loss. ``precision``, ``recall``, ``f1``: of
        one draw a step against what was played, notes counted over all steps and draws together.
    """
    counts = dict.fromkeys(("steps", "possible", "loss", "hits", "drawn", "played"), 0.0)
    parts = list(held_out(songs, split, generator.reach, generator.keys, MOST // draws))
    for number, part in enumerate(progress(parts, len(parts), "evaluate")):
        for name, value in _count(generator, part, draws, derive(seed, number)).items():
            counts[name] += value
    return {
        "loss": counts["loss"] / counts["possible"],
        "impossible_steps": 1 - counts["possible"] / counts["steps"],
        "precision": counts["hits"] / counts["drawn"] if counts["drawn"] else 0.0,
        "recall": counts["hits"] / counts["played"],
        "f1": 2 * counts["hits"] / (counts["drawn"] + counts["played"]),
    }


def _count(generator: Generator, batch: Batch, draws: int, seed: int) -> dict[str, float]:
    """Sum the loss, and count notes drawn and played, over some songs and draws."""
    begin = generator.initial(batch.past, batch.start)
    features, _ = generator.features(batch.notes, begin)

    def repeat(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(draws, 0)

    features, notes, mask = repeat(features), repeat(batch.notes), repeat(batch.mask)
    possible = mask * generator.sampler.possible(notes)
    voices = generator.sampler.initial(features)
    shape = (2, *mask.shape, generator.draws)
    for_truth, for_draws = training.uniforms(shape, seed, "evaluate")
    nats, guesses = [], []
    for step in range(notes.shape[1]):
        now = slice(step, step + 1)
        guess, _ = generator.sampler.sample(features[:, now], voices, for_draws[:, now], 1.0)
        loss, voices = generator.sampler.loss(
            features[:, now], notes[:, now], voices, for_truth[:, now]
        )
        nats.append(loss)
        guesses.append(guess)
    drawn = torch.cat(guesses, 1) * mask[..., None]
    return {
        "steps": float(mask.sum()),
        "possible": float(possible.sum()),
        "loss": float((torch.cat(nats, 1) * possible).sum()),
        "hits": float((drawn * notes).sum()),
        "drawn": float(drawn.sum()),
        "played": float((notes * mask[..., None]).sum()),
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
    for batch in held_out(songs, split, 1, rolls.KEYS):
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
def reading(generator: Generator, roll: np.ndarray) -> np.ndarray:
    """Tell where a generator's memory reads while it follows a piece.

    Parameters
    ----------
    generator : Generator
        Its memory has a method ``reading``.
    roll : ndarray, shape [steps, 88]
        Onsets of the piece.

    Returns
    -------
    ndarray[float32], shape [steps, lags]
        The weight of each lag.
    """
    notes = torch.from_numpy(rolls.pitch_classes(roll)).float()[None]
    batch = Batch(
        torch.zeros(1, generator.reach, generator.keys),
        notes,
        torch.ones(notes.shape[:2]),
        torch.zeros(1, dtype=torch.int64),
    )
    return generator.reading(batch.notes, generator.initial(batch.past, batch.start))[0].numpy()
