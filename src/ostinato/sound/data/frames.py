"""Pieces as frames of numbers, encoded by an autoencoder, and windows over these frames."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ostinato.core import files
from ostinato.core.devices import device_of
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.scores.performance import PLAYED
from ostinato.scores.sources import SPLITS
from ostinato.sound.data.sound import FRAME, Sounds

PAST, NEXT = 40, 5
"""The number of frames that a score creator reads (10 s), and that it draws next (1.25 s)."""
WINDOW = PAST + NEXT
QUIETER = 10.0
"""How far below the mean power of a piece its first and last frames may be, in dB."""
STRETCH, AROUND = 1200, 4
"""Frames of a piece that are encoded at a time, and frames on each side that they depend on."""
UNIT = 2**-7
"""Numbers are rounded to multiples of this, which half precision represents exactly up to 16."""
FRAME_COLUMNS = ["id", "split", "first", "frames", "notes"]


def build(out: Path, sounds: Sounds, autoencoder: nn.Module, transcriber: nn.Module) -> None:
    """Encode every piece: ``frames.npy``, in half precision, ``notes.npy`` and ``songs.csv``.

    Only the content of each frame is kept, not the details. Silence before and after the music, and
    the decay of the last notes, are left out; otherwise a score creator would learn to fade out.
    Numbers are computed in double precision and rounded coarsely, so that other processors give the
    same bytes. Notes are those of rendered pieces; in recordings, they are found.

    Parameters
    ----------
    out : Path
        An empty folder.
    sounds : Sounds
        The collection.
    autoencoder, transcriber : nn.Module
        Trained.

    Raises
    ------
    UserError
        When a split has no piece of at least 45 frames.
    """
    autoencoder, transcriber = (copy.deepcopy(each).double() for each in (autoencoder, transcriber))
    rows, first = [], 0
    half = np.dtype(np.float16)
    with (
        files.writing_array(out / "frames.npy", half, (autoencoder.content,)) as add,
        files.writing_array(out / "notes.npy", PLAYED) as add_notes,
    ):
        for piece in progress(range(len(sounds)), len(sounds), "encode"):
            numbers = _contents(sounds, piece, autoencoder)[_music(sounds, piece)]
            add(numbers)
            notes = sounds.notes(piece)
            if notes is None:
                notes = transcriber.transcribe(_parts(sounds, piece))
            add_notes(notes)
            rows.append(
                {
                    "id": sounds.id[piece],
                    "split": sounds.split[piece],
                    "first": first,
                    "frames": len(numbers),
                    "notes": len(notes),
                }
            )
            first += len(numbers)
    for split in SPLITS:
        if not any(row["split"] == split and row["frames"] >= WINDOW for row in rows):
            raise UserError(
                f"data/audio: no {split} piece has {WINDOW / 4:g} s of music, quiet beginnings "
                "and ends not counted; add longer ones"
            )
    files.write_table(out / "songs.csv", FRAME_COLUMNS, rows)


def _contents(sounds: Sounds, piece: int, autoencoder: nn.Module) -> np.ndarray:
    """Encode the complete frames of a piece, five minutes at a time."""
    count = int(sounds.samples[piece]) // FRAME
    parts = []
    for first in range(0, count, STRETCH):
        last = min(first + STRETCH, count)
        start = max(0, first - AROUND)
        end = min((last + AROUND) * FRAME, int(sounds.samples[piece]))
        sound = sounds.piece(piece, start * FRAME, end - start * FRAME)
        given = torch.from_numpy(sound).double().to(device_of(autoencoder))
        numbers = autoencoder.encode(given)[first - start : last - start]
        parts.append(numbers[:, : autoencoder.content].cpu().numpy())
    return (np.rint(np.concatenate(parts) / UNIT) * UNIT).astype(np.float16)


def _parts(sounds: Sounds, piece: int) -> Iterator[torch.Tensor]:
    """Read a piece, five minutes at a time."""
    for first in range(0, int(sounds.samples[piece]), STRETCH * FRAME):
        most = min(STRETCH * FRAME, int(sounds.samples[piece]) - first)
        yield torch.from_numpy(sounds.piece(piece, first, most))


def played_in(folder: Path) -> dict[str, np.ndarray]:
    """Read the notes of each piece, known or found.

    Parameters
    ----------
    folder : Path
        What `build` wrote.

    Returns
    -------
    dict of str to ndarray[PLAYED]
        By the identifiers of pieces.
    """
    rows = files.read_table(folder / "songs.csv")
    ends = np.cumsum([int(row["notes"]) for row in rows])
    parts = np.split(np.load(folder / "notes.npy"), ends)[:-1]
    return {row["id"]: part for row, part in zip(rows, parts, strict=True)}


def _music(sounds: Sounds, piece: int) -> slice:
    """The complete frames of a piece, from the first to the last that is not too quiet."""
    count = int(sounds.samples[piece]) // FRAME
    frames = (sounds.piece(piece, f * FRAME, FRAME) for f in range(count))
    # Squares of 16-bit samples and their sums are exact in double precision.
    powers = np.array([np.square(frame, dtype=np.float64).mean() for frame in frames])
    [loud] = np.nonzero(powers >= powers.mean() / 10 ** (QUIETER / 10))
    return slice(loud[0], loud[-1] + 1)


class Windows:
    """All windows of 45 frames in a split: 40 past frames and the 5 that follow.

    Parameters
    ----------
    folder : Path
        What `build` wrote.
    split : str
        ``"train"``, ``"valid"`` or ``"test"``.

    Attributes
    ----------
    starts : ndarray[int64]
        The first frame of each window.
    size : int
        Numbers per frame.
    """

    def __init__(self, folder: Path, split: str):
        self._frames = np.load(folder / "frames.npy", mmap_mode="r")
        self.size = self._frames.shape[1]
        rows = [row for row in files.read_table(folder / "songs.csv") if row["split"] == split]
        self._pieces = [(int(row["first"]), int(row["frames"])) for row in rows]
        self.starts = np.concatenate(
            [first + np.arange(max(0, frames - WINDOW + 1)) for first, frames in self._pieces]
        )

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, which: np.ndarray) -> torch.Tensor:
        """Read windows.

        Parameters
        ----------
        which : ndarray[int64], shape [B]
            Indices of windows.

        Returns
        -------
        Tensor[B, 45, size] of float32
        """
        rows = self.starts[which, None] + np.arange(WINDOW)
        return torch.from_numpy(self._frames[rows]).float()

    def frames(self) -> torch.Tensor:
        """Read all frames of the split: Tensor[frames, size] of float32."""
        every = np.concatenate([self._frames[f : f + n] for f, n in self._pieces])
        return torch.from_numpy(every).float()
