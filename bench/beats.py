"""Beats of performances: how many are found, beside what libraries find.

    python bench/beats.py ASAP [--every N]

ASAP (Foscarin and others, 2020) is the folder of that data set: performances as MIDI files, each
with a file of annotations whose first column is when beats are, in seconds. A beat is found if one
is within 70 ms of it; the F-measure is that of Davies, Degara and Plumbley (2009). Beside it, the
beats of `pretty_midi`, which takes tempi from the file, and those of `librosa.beat` for the
envelope of onsets, which has 100 values a second. What was printed stands in bench/beats.md.
"""

import argparse
import warnings
from pathlib import Path

import librosa
import numpy as np
import pretty_midi

from ostinato.core.progress import progress
from ostinato.scores.beats import performed
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT, Score, seconds

WITHIN = 0.07
"""Seconds."""

RATE = 100
"""Values of the envelope of onsets, in a second."""


def f_measure(true: np.ndarray, found: np.ndarray) -> float:
    """Compute the F-measure of beats: each is matched with one other at the most."""
    both, i, j = 0, 0, 0
    while i < len(true) and j < len(found):
        if abs(true[i] - found[j]) <= WITHIN:
            both, i, j = both + 1, i + 1, j + 1
        elif true[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * both / max(len(true) + len(found), 1)


def ours(score: Score) -> np.ndarray:
    """Find beats, in seconds."""
    found = performed(score)
    first = [float(seconds(each, each.notes["onset"][:1])[0]) for each in (score, found)]
    ticks = np.arange(0, int(found.notes["onset"].max()) + 1, TICKS_PER_BEAT)
    return seconds(found, ticks) + first[0] - first[1]


def librosas(score: Score) -> np.ndarray:
    """Find beats with librosa, from the velocities of all onsets."""
    when = seconds(score, score.notes["onset"])
    envelope = np.zeros(int(when.max() * RATE) + RATE)
    np.add.at(envelope, (when * RATE).astype(int), score.notes["velocity"])
    found = librosa.beat.beat_track(onset_envelope=envelope, sr=RATE, hop_length=1)[1]
    return found / RATE


def measure(path: Path) -> list[float]:
    """Compute the F-measures of a performance: ours, pretty_midi's, librosa's."""
    lines = path.read_text(encoding="utf-8").splitlines()
    true = np.array([float(line.split("\t")[0]) for line in lines if line])
    midi = path.with_name(path.name.replace("_annotations.txt", ".mid"))
    score = read_midi(midi, pickup=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pretty_midi.PrettyMIDI(str(midi)).get_beats()
    return [f_measure(true, each) for each in (ours(score), theirs, librosas(score))]


def main() -> None:
    """Measure every performance, or every so many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="of how many performances one")
    options = parser.parse_args()
    paths = sorted(options.folder.rglob("*_annotations.txt"))
    paths = [path for path in paths if "midi_score" not in path.name][:: options.every]
    found = np.array([measure(path) for path in progress(paths, len(paths), "beats")])
    print(f"{len(paths)} performances")
    print("| | mean | median |")
    print("|---|---|---|")
    for name, each in zip(("ours", "pretty_midi", "librosa"), found.T, strict=True):
        print(f"| {name} | {each.mean():.3f} | {np.median(each):.3f} |")


if __name__ == "__main__":
    main()
