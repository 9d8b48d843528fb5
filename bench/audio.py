"""Autoencoders, score creators and continuations beside their baselines, on held-out pieces.

    python bench/audio.py
    python bench/audio.py --what continuations --ways lstm --pieces 4

Run it after `dvc repro`: it uses data/corpus, data/audio, data/held_out, data/frames and the models
that params.yaml chooses. Others are trained once and kept in the cache. Higher is better for SNR,
lower for all else but speed. Speeds are how many seconds of sound are encoded and decoded in one
second. The second command prints one table alone; see bench/audio.md for what is in it.
"""

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from audio_bits import bits_table
from audio_continuations import (
    BASELINES,
    Ridge,
    Way,
    continuation_tables,
    loop,
    onset_table,
    true_content,
    truth,
    way,
)
from audio_elsewhere import elsewhere_table
from audio_speed import speed_table
from kept import trained
from torch import nn

from ostinato import improvising
from ostinato.core import devices, files, training
from ostinato.core.params import Params, read_params
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import Sounds
from ostinato.sound.fit.autoencoder import autoencoder_task
from ostinato.sound.fit.player import PLAYER
from ostinato.sound.fit.score_creator import score_creator_task
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.sound.parts.autoencoder import Autoencoder
from ostinato.sound.report import autoencoder as report
from ostinato.sound.report import measures
from ostinato.sound.report.score_creator import compare

AUDIO, HELD_OUT = Path("data/audio"), Path("data/held_out")
FRAMES, MODELS = Path("data/frames"), Path("models")
PIECES = Path("results/autoencoder/pieces.tsv")
SUBSETS, SUBSET_FRAMES = (4, 32), 6_000
"""Numbers of pieces to train on besides all, with a tenth of the steps; and the most frames from
which principal components are computed there."""


WHAT = (
    "autoencoders", "pieces", "bits", "frames", "onsets", "continuations", "elsewhere", "speed",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    params = read_params(Path("params.yaml"))
    names = [*params.score_creators, *BASELINES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT, help="all, if not said")
    parser.add_argument("--ways", nargs="+", choices=names, default=names, help="of going on")
    parser.add_argument("--pieces", type=int, default=16, help="pieces to continue, at most")
    parser.add_argument("--soundfont", type=Path, help="another SF2 file, for elsewhere")
    parser.add_argument("--recordings", type=Path, help="a folder of sound files, for elsewhere")
    options = parser.parse_args()
    devices.prepare(params.threads, params.seed)
    sounds = Sounds(AUDIO, HELD_OUT)
    if "autoencoders" in options.what:
        autoencoder_table(params, sounds)
    if "pieces" in options.what:
        pieces_table(params, sounds)
    if "bits" in options.what:
        bits_table(params, sounds)
    if "frames" in options.what:
        frames_table(params)
    if "onsets" in options.what:
        onset_table(params, sounds, options.pieces)
    if "continuations" in options.what:
        ways = {name: partial(way_of, params, name) for name in options.ways}
        continuation_tables(params, sounds, ways, options.pieces)
    if "elsewhere" in options.what:
        elsewhere_table(params, options.pieces, options.soundfont, options.recordings)
    if "speed" in options.what:
        speed_table(sounds)


def chosen(params: Params, section: str, kind: str) -> Params:
    """The same parameters with another model chosen."""
    part = getattr(params, section).model_copy(update={"kind": kind})
    return params.model_copy(update={section: part})


def score_creator_of(params: Params, kind: str) -> nn.Module:
    """Load the score creator that the parameters choose, or train another one."""
    if kind == params.score_creator.kind:
        return score_creator.load(MODELS / "score_creator")
    return trained(score_creator_task(chosen(params, "score_creator", kind), AUDIO, FRAMES))


def way_of(params: Params, name: str) -> Way:
    """Find the way of going on that has a name: that of a score creator, or a baseline."""
    if name == "loop":
        return loop
    if name == "true":
        return truth
    if name == "true content":
        return true_content(autoencoder.load(MODELS / "autoencoder"))
    creator = Ridge(FRAMES) if name == "ridge" else score_creator_of(params, name)
    device, temperature = torch.device("cpu"), params.improvise.temperature
    return way(improvising.with_creator(creator, MODELS, device, temperature))


def autoencoder_table(params: Params, sounds: Sounds) -> None:
    """Print SNR, log-mel distance, border ratio and speed of every autoencoder."""
    rows: dict[str, list[float]] = {}
    for kind in params.autoencoders:
        if kind == params.autoencoder.kind:
            model = autoencoder.load(MODELS / "autoencoder")
        else:
            model = trained(autoencoder_task(chosen(params, "autoencoder", kind), AUDIO))
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


def frames_table(params: Params) -> None:
    """Print the figures of every score creator; see `ostinato.sound.report.score_creator`."""
    rows: dict[str, tuple[float, ...]] = {}
    for kind in (name for name in params.score_creators if name != PLAYER):
        model = score_creator_of(params, kind)
        figures = compare(model, FRAMES, kind, params.seed)
        for who, score in figures["energy_score"].items():
            rows[who] = score, figures["distance_of_mean"][who], figures["distance_to_music"][who]
    best = min(rows["repeat_last"][0], rows["ridge"][0])
    print("\n| five frames after forty | energy score, dB | to better baseline |", end=" ")
    print("distance of mean | distance to music |\n|---|---|---|---|---|")
    for who, (score, mean, music) in rows.items():
        print(f"| {who} | {score:.2f} | {score / best - 1:+.1%} | {mean:.2f} | {music:.2f} |")
    print(f"| truth | | | | {figures['distance_to_music']['truth']:.2f} |")


if __name__ == "__main__":
    main()
