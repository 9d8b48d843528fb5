"""The weights of ostinato.scores.metre: fitted to songs whose bars are known, and tested.

    python bench/metre.py --pop909 POP909 --midi FOLDER...

POP909 (Wang and others, 2020) is the folder that holds its numbered folders, each with a MIDI file
and beat_midi.txt. In the other folders are MIDI files whose time signatures are right; songs with
several are left out. The weights are those of a conditional logit over all metres and places where
bars may begin, each collection counting as much as the others. Printed are the share of songs whose
metre is found, and whose bars are, with weights fitted to the other collections alone; how likely
the right metre is beside the likeliest, which says when a file's metre is to be given up; and the
weights of all. What was printed stands in bench/metre.md.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import minimize

from ostinato.scores.grid import find_grid, straightened
from ostinato.scores.metre import METRES, features_of
from ostinato.scores.midi import read_midi
from ostinato.scores.score import TICKS_PER_BEAT, Score, UnreadableScore, seconds

FEWEST = 40
"""Notes of a song."""

PENALTY = 1e-3
"""Of the squares of weights."""

QUANTILES = 0.9, 0.95, 0.98

Known = tuple[Score, tuple[int, int], float]
"""A song, its metre, and a tick at which a bar begins."""


def from_signature(path: Path) -> Known | None:
    """Read a song with one time signature."""
    try:
        score = read_midi(path)
    except UnreadableScore:
        return None
    metre = score.metres[0]
    known = score.metre_known and len(score.metres) == 1
    return (score, (metre.beats, metre.unit), 0.0) if known else None


def from_beats(folder: Path) -> Known | None:
    """Read a song of POP909, whose bars are those that most of its downbeats agree on."""
    score = read_midi(folder / f"{folder.name}.mid", pickup=False)
    rows = [line.split() for line in (folder / "beat_midi.txt").read_text().splitlines()]
    ticks = np.arange(0, int(score.notes["onset"].max()) + 4 * TICKS_PER_BEAT)
    when = np.array([float(row[0]) for row in rows])
    beat = np.interp(when, seconds(score, ticks), ticks)
    first = np.flatnonzero([float(row[2]) > 0.5 for row in rows])
    if len(first) < 5 or abs(np.median(np.diff(beat)) - TICKS_PER_BEAT) > TICKS_PER_BEAT / 12:
        return None
    beats = Counter(np.diff(first).tolist()).most_common(1)[0][0]
    bar = beats * TICKS_PER_BEAT
    phase = Counter(np.round(beat[first] % bar / 120).astype(int).tolist()).most_common(1)[0][0]
    return score, (beats, 4), float(phase * 120)


def described(known: Known | None) -> tuple[np.ndarray, int] | None:
    """Describe the candidates of a song, and say which is right."""
    if known is None or len(known[0].pitched) < FEWEST:
        return None
    score, metre, tick = known
    metre = (4, 4) if metre == (2, 2) else metre
    grid = find_grid(score.notes["onset"])
    if grid is None or metre not in METRES:
        return None
    notes = score.pitched
    late = round(grid.offset)
    onsets = np.maximum(notes["onset"] - late, 0)
    names, features = features_of(notes, straightened(onsets, grid.swing, grid.unit))
    bar = METRES[metre][0] * TICKS_PER_BEAT // 12
    begin = round((tick - late) / 120) * 120 % bar if tick else 0
    return features, names.index((*metre, begin))


def fit(collections: list[list[tuple[np.ndarray, int]]]) -> np.ndarray:
    """Fit the weights: maximum likelihood with a small penalty."""
    features = np.stack([each for songs in collections for each, _ in songs])
    right = np.array([index for songs in collections for _, index in songs])
    counts = np.concatenate([np.full(len(songs), 1 / len(songs)) for songs in collections])
    counts /= len(collections)
    rows = np.arange(len(right))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = features @ weights
        probs = np.exp(scores - scores.max(1, keepdims=True))
        probs /= probs.sum(1, keepdims=True)
        value = -(counts @ np.log(probs[rows, right] + 1e-12)) + PENALTY * weights @ weights
        probs[rows, right] -= 1
        slope = np.einsum("n,nc,ncf->f", counts, probs, features, optimize=True)
        return value, slope + 2 * PENALTY * weights

    start = np.zeros(features.shape[2])
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x


def report(name: str, songs: list[tuple[np.ndarray, int]], weights: np.ndarray) -> None:
    """Print a row: the shares that are right, and by how much the right one is less likely."""
    metres = np.repeat(np.arange(len(METRES)), [bar // 3 for bar, _ in METRES.values()])
    scores = np.stack([features @ weights for features, _ in songs])
    right = np.array([index for _, index in songs])
    best = scores.argmax(1)
    behind = scores.max(1) - scores[np.arange(len(right)), right]
    shares = (metres[best] == metres[right]).mean(), (best == right).mean()
    columns = [name, str(len(songs)), *(f"{share:.2f}" for share in shares)]
    columns += [f"{each:.1f}" for each in np.quantile(behind, QUANTILES)]
    print("| " + " | ".join(columns) + " |", flush=True)


def main() -> None:
    """Read the songs, fit the weights, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pop909", type=Path)
    parser.add_argument("--midi", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    collections = {}
    if options.pop909:
        folders = sorted(each for each in options.pop909.iterdir() if each.is_dir())
        read = [delayed(lambda path: described(from_beats(path)))(path) for path in folders]
        collections["POP909"] = Parallel(-1)(read)
    for folder in options.midi:
        paths = sorted(folder.rglob("*.mid"))
        read = [delayed(lambda path: described(from_signature(path)))(path) for path in paths]
        collections[folder.name] = Parallel(-1)(read)
    songs = {name: [each for each in found if each] for name, found in collections.items()}
    print("| collection | songs | metre | and bars |", *(f"{q:.0%} |" for q in QUANTILES))
    print("|---" * 7 + "|")
    for name in songs:
        others = [each for other, each in songs.items() if other != name]
        report(name, songs[name], fit(others or [songs[name]]))
    weights = fit(list(songs.values()))
    print("with the weights of all:")
    for name, each in songs.items():
        report(name, each, weights)
    print(np.array2string(weights[:32].reshape(8, 4), precision=2, suppress_small=True))
    for part in np.split(weights[32:], [2, 6]):
        print(np.array2string(part, precision=2, suppress_small=True))


if __name__ == "__main__":
    main()
