"""How many notes of chorales are given back to the part that they come from.

    python bench/voices.py

The four parts of each song of the dataset that has as many are put together and divided again, as
composed pieces are divided into tracks. Also, how many of the notes that two parts sing at once
are found again.
"""

import time
from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.notes.compose.voices import separate, silent, unisons
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.score import voices_of

PARTS = 4


def main() -> None:
    """Print the share for the songs of each split."""
    rows: dict[str, list[tuple[int, int]]] = {"train": [], "valid": [], "test": []}
    met = {split: np.zeros(3, int) for split in rows}  # true unisons, found ones, both
    start = time.perf_counter()
    corpus = Path("data/corpus")
    stored = {song["id"]: Stored.of(corpus, song) for song in files.rows(corpus / SONGS)}
    for song in files.rows(Path("data/dataset/songs.csv")):
        score = stored[song["id"]].score()
        parts = voices_of(score)
        if len(parts) == PARTS:
            # A composed roll has one key where two parts sing the same: either is right.
            places = np.stack([score.pitched[name] for name in ("onset", "pitch")], 1)
            _, first, same = np.unique(places, axis=0, return_index=True, return_inverse=True)
            notes = score.pitched[first]
            found = np.array(parts)[separate(notes, silent(PARTS))]
            right = np.zeros(len(notes), bool)
            np.logical_or.at(right, same.ravel(), found[same.ravel()] == score.pitched["part"])
            rows[song["split"]].append((int(right.sum()), len(right)))
            divided = notes.copy()
            divided["part"] = found
            more = unisons(divided, parts)
            true = set(score.pitched[["onset", "pitch", "part"]].tolist())
            hits = sum(note in true for note in more[["onset", "pitch", "part"]].tolist())
            met[song["split"]] += len(score.pitched) - len(notes), len(more), hits
    seconds = time.perf_counter() - start
    for split, counts in rows.items():
        if not counts:
            continue
        right, notes = map(sum, zip(*counts, strict=True))
        worst = min(one / both for one, both in counts)
        print(f"{split}: {right / notes:.2%} of {notes} notes in {len(counts)} songs, ", end="")
        print(f"{worst:.0%} in the worst of them")
        true, guessed, hits = met[split]
        print(
            f"  {hits / true:.0%} of {true} unisons, {hits / guessed:.0%} of {guessed} found ones"
        )
    print(f"{seconds / sum(map(len, rows.values())):.2f} seconds a song")


if __name__ == "__main__":
    main()
