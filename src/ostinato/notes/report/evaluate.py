"""Evaluation of trained models and of what they composed."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core import devices, files, noise
from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import Batch, held_out
from ostinato.notes.data.songs import Songs
from ostinato.notes.parts.dynamics import Dynamics
from ostinato.notes.report import features, music, plots
from ostinato.notes.report.reading import reading
from ostinato.notes.system import System
from ostinato.scores import plotting


def write_report(out: Path, dataset: Path, models: Path, composed: Path, params: Params) -> None:
    """Write ``evaluate.json`` and, in the folder ``evaluate``, the plots.

    ``prediction`` is from `prediction`, ``music`` from `music.headline`. ``sets`` lists all figures
    of compositions, validation songs and test songs, from `music.figures` and `music.likeness`.

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
    device = devices.prepare(params.threads, seed, params.device, double=True)
    writer = system.load(models / "generator", models / "decoder").to(device)
    songs = Songs(dataset, writer.representation)
    sets = {
        "compositions": music.compositions(composed, songs, writer.steps_per_beat),
        "validation_songs": music.songs_of(songs, "valid", writer.steps_per_beat),
        "test_songs": music.songs_of(songs, "test", writer.steps_per_beat),
    }
    known = music.Known(music.songs_of(songs, "train", writer.steps_per_beat))
    found = {name: music.figures(pieces, known) for name, pieces in sets.items()}
    for name in ("compositions", "validation_songs"):
        found[name] |= music.likeness(sets[name], sets["test_songs"])
    report = {"prediction": prediction(writer, songs, "test", params.evaluate.draws, seed)}
    if isinstance(writer.performer.velocity, Dynamics):
        loud = Songs(dataset, writer.representation, velocities=True)
        report["prediction"]["velocity_nll"] = velocity_nll(writer.performer.velocity, loud, "test")
    report["music"] = music.headline(found["compositions"])
    # DVC compares numbers, and leaves out what is in a list.
    report["sets"] = [{"name": name, **figures} for name, figures in found.items()]
    files.write_metrics(out / "evaluate.json", report)
    folder = out / "evaluate"
    counted = {
        name.replace("_", " "): features.mean_histograms(pieces.windows)
        for name, pieces in sets.items()
    }
    plotting.save(folder / "histograms.png", plots.histograms(counted, writer.steps_per_beat))
    similar = {name.replace("_", " "): found[name]["self_similarity"] for name in sets}
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


@torch.no_grad()
def prediction(
    system: System, songs: Songs, split: str, draws: int, seed: int
) -> dict[str, float | bool | None]:
    """Measure how well a system predicts each step of some songs, given the true past.

    If it knows the final, that is given, too, and ``nll`` and ``log_prob`` include its probability.

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
    device = devices.device_of(system)
    rates = state_rates(songs).to(device)
    parts = list(held_out(songs, split, system.context_length, rolls.KEYS, MOST // draws))
    for number, part in enumerate(progress(parts, len(parts), "evaluate")):
        found = _count(system, part.to(device), rates, draws, derive(seed, number))
        for name, value in found.items():
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
    anything = rates.log()[torch.arange(rolls.KEYS, device=keys.device), keys.long()].sum(-1)
    anything = anything - system.generator.nats_of_final(batch.positions)
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
def velocity_nll(model: Dynamics, songs: Songs, split: str) -> float:
    """Measure how well velocities are predicted, given the true keys and the true past.

    Parameters
    ----------
    model : Dynamics
        Trained.
    songs : Songs
        The dataset, with velocities.
    split : str
        Which songs.

    Returns
    -------
    float
        The exact negative log-probability of a velocity, in nats, averaged over all keys that are
        struck (or marked).
    """
    nats, struck = 0.0, 0.0
    for part in held_out(songs, split, 1, rolls.KEYS):
        batch = part.to(devices.device_of(model))
        each, _ = model.log_prob(batch.notes, model.initial(batch.past, batch.positions))
        nats -= float((each * batch.mask).sum())
        struck += float(((batch.notes > 0) * batch.mask[..., None]).sum())
    return nats / struck


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
    for part in held_out(songs, split, decoder.context_length, rolls.KEYS):
        batch = part.to(devices.device_of(decoder))
        guess = decoder.likeliest(batch.notes, decoder.initial(batch.past))
        played = decoder.classes(batch.notes * batch.mask[..., None])
        wrong += float((decoder.classes((guess - batch.notes).abs()) * played).sum())
        sounding += float(played.sum())
    return 1 - wrong / sounding
