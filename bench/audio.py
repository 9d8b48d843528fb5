"""Autoencoders, score creators and improvisations beside their baselines, on held-out pieces.

    python bench/audio.py

Run it after `dvc repro`: it uses data/audio, data/held_out, data/frames and the models that
params.yaml chooses, and trains the others, about ten minutes on two cores. Higher is better for
SNR, lower for all else but speed. Speeds are how many seconds of sound are encoded and decoded in
one second.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from ostinato.core import devices, files, training
from ostinato.core.params import Params, read_params
from ostinato.scores.wav import RATE
from ostinato.sound.compose.improvise import SEED_SAMPLES, improvise
from ostinato.sound.data.sound import Sounds
from ostinato.sound.fit.autoencoder import autoencoder_task
from ostinato.sound.fit.score_creator import score_creator_task
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.report import autoencoder as report
from ostinato.sound.report import measures, performance
from ostinato.sound.report.score_creator import compare

AUDIO, HELD_OUT = Path("data/audio"), Path("data/held_out")
FRAMES, MODELS = Path("data/frames"), Path("models")
PIECES = Path("results/autoencoder/pieces.tsv")
SUBSETS, SUBSET_FRAMES = (4, 32), 6_000
"""Numbers of pieces to train on besides all, with a tenth of the steps; and the most frames from
which principal components are computed there."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=8, help="pieces to improvise on, at most")
    options = parser.parse_args()
    params = read_params(Path("params.yaml"))
    devices.prepare(params.threads, params.seed)
    sounds = Sounds(AUDIO, HELD_OUT)
    autoencoder_table(params, sounds)
    pieces_table(params, sounds)
    score_creator_table(params)
    improvisation_table(params, sounds, options.pieces)


def chosen(params: Params, section: str, kind: str) -> Params:
    """The same parameters with another model chosen."""
    part = getattr(params, section).model_copy(update={"kind": kind})
    return params.model_copy(update={section: part})


def autoencoder_table(params: Params, sounds: Sounds) -> None:
    """Print SNR, log-mel distance, border ratio and speed of every autoencoder."""
    rows: dict[str, list[float]] = {}
    for kind in params.autoencoders:
        if kind == params.autoencoder.kind:
            model = autoencoder.load(MODELS / "autoencoder")
        else:
            task = autoencoder_task(chosen(params, "autoencoder", kind), AUDIO)
            training.fit(task)
            model = task.model
        figures = report.measure(model, kind, sounds, params.seed)
        names = ("snr", "log_mel_distance", "border_ratio")
        for who in (kind, "pca_512", "dct_512"):
            rows[who] = [figures[name][who] for name in names]
        rows[kind].append(speed(model, sounds))
    print("\n| held-out pieces | SNR, dB | log-mel distance, dB | border ratio | x real time |")
    print("|---|---|---|---|---|")
    for who, values in rows.items():
        print(f"| {who} |", " | ".join(f"{value:.2f}" for value in values), "|")
    for who, values in rows.items():
        print(f"{who} held-out SNR: {values[0]:.2f} dB")


def pieces_table(params: Params, sounds: Sounds) -> None:
    """Train on more and more pieces, print what that brings and write it to `PIECES`."""
    every = sounds.of("train")
    short = max(1, params.autoencoder.training.max_steps // 10)
    update = {"max_steps": short, "validate_every": short}
    settings = params.autoencoder.training.model_copy(update=update)
    section = params.autoencoder.model_copy(update={"training": settings})
    shorter = params.model_copy(update={"autoencoder": section})
    kind, heard, rows = params.autoencoder.kind, report.held_out(sounds), []
    for count in sorted({*SUBSETS, len(every)}):
        pieces = every[:count]
        task = autoencoder_task(shorter, AUDIO, pieces)
        training.fit(task)
        options = task.model, kind, sounds, pieces, SUBSET_FRAMES, params.seed
        codecs = report.learned_codecs(*options)
        snr = {who: measures.snr(heard, list(map(one, heard))) for who, one in codecs.items()}
        rows.append({"pieces": len(pieces), **snr})
    rows = files.rounded(rows)
    print("\n| training pieces |", " | ".join(list(rows[0])[1:]), "|\n|---|---|---|")
    for row in rows:
        print("|", " | ".join(map(str, row.values())), "|")
    files.write_table(PIECES, list(rows[0]), rows, delimiter="\t")


def speed(model: Autoencoder, sounds: Sounds) -> float:
    """Seconds of sound encoded and decoded in a second, median of three pieces."""
    rates = []
    for index in sounds.of("test")[:3]:
        sound = torch.from_numpy(sounds.piece(index))
        start = time.perf_counter()
        model.decode(model.encode(sound))
        rates.append(sound.shape[1] / RATE / (time.perf_counter() - start))
    return statistics.median(rates)


def score_creator_table(params: Params) -> None:
    """Print the figures of every score creator; see `ostinato.sound.report.score_creator`."""
    rows: dict[str, tuple[float, ...]] = {}
    for kind in params.score_creators:
        if kind == params.score_creator.kind:
            model = score_creator.load(MODELS / "score_creator")
        else:
            task = score_creator_task(chosen(params, "score_creator", kind), FRAMES)
            training.fit(task)
            model = task.model
        figures = compare(model, FRAMES, kind, params.seed)
        for who, score in figures["energy_score"].items():
            rows[who] = score, figures["distance_of_mean"][who], figures["distance_to_music"][who]
    best = min(rows["repeat_last"][0], rows["ridge"][0])
    print("\n| five frames after forty | energy score, dB | to better baseline |", end=" ")
    print("distance of mean | distance to music |\n|---|---|---|---|---|")
    for who, (score, mean, music) in rows.items():
        print(f"| {who} | {score:.2f} | {score / best - 1:+.1%} | {mean:.2f} | {music:.2f} |")
    print(f"| truth | | | | {figures['distance_to_music']['truth']:.2f} |")


def improvisation_table(params: Params, sounds: Sounds, pieces: int) -> None:
    """Print levels of improvisations on test pieces against the seed's, second by second."""
    encoder = autoencoder.load(MODELS / "autoencoder")
    creator = score_creator.load(MODELS / "score_creator")
    seconds = params.improvise.seconds
    samples = SEED_SAMPLES + round(seconds * RATE)
    long_enough = [i for i in sounds.of("test") if sounds.samples[i] >= samples]
    changes: dict[str, list[np.ndarray]] = {"improvised": [], "true": []}
    for index in long_enough[:pieces]:
        true = sounds.piece(index, 0, samples)
        begun = torch.from_numpy(true[:, :SEED_SAMPLES])
        heard = improvise(encoder, creator, begun, seconds, params.seed).numpy()
        level = performance.compare(heard, true)["level"]
        for who, by_piece in changes.items():
            by_piece.append(np.array(level[who]) - level["seed"])
    print(f"\nlevel of {len(by_piece)} improvisations against their first ten seconds', dB")
    print("| | median | lowest | highest | seconds within 6 dB | pieces all within 6 dB |")
    print("|---|---|---|---|---|---|")
    for who, by_piece in changes.items():
        every = np.stack(by_piece)
        within = np.abs(every) <= 6
        figures = f"{np.median(every):+.1f} | {every.min():+.1f} | {every.max():+.1f}"
        print(f"| {who} | {figures} | {within.mean():.1%} | {within.all(1).sum()} |")


if __name__ == "__main__":
    main()
