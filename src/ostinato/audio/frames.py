"""The machine's own scores: every piece as frames of numbers, and windows over them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ostinato import files
from ostinato.audio.sound import Sounds
from ostinato.errors import UserError
from ostinato.progress import progress
from ostinato.score_creators import NEXT, PAST
from ostinato.songs import SPLITS

WINDOW = PAST + NEXT
FRAME_COLUMNS = ["id", "split", "first", "frames"]


def build(out: Path, sounds: Sounds, autoencoder: nn.Module) -> None:
    """Encode every piece: ``frames.npy`` and ``songs.csv``.

    Only the content of a frame is kept, the numbers that say what sounds.

    Parameters
    ----------
    out : Path
        An empty folder.
    sounds : Sounds
        The collection.
    autoencoder : nn.Module
        Trained.

    Raises
    ------
    UserError
        When a split has no piece of 45 frames.
    """
    encoded, rows, first = [], [], 0
    for piece in progress(range(len(sounds)), len(sounds), "scores"):
        numbers = autoencoder.encode(torch.from_numpy(sounds.piece(piece)))
        encoded.append(numbers[:, : autoencoder.content].numpy())
        rows.append(
            {
                "id": sounds.id[piece],
                "split": sounds.split[piece],
                "first": first,
                "frames": len(numbers),
            }
        )
        first += len(numbers)
    for split in SPLITS:
        if not any(row["split"] == split and row["frames"] >= WINDOW for row in rows):
            raise UserError(
                f"data/audio: no {split} piece is as long as a window, {WINDOW / 4:g} s; "
                "add longer ones"
            )
    files.write_array(out / "frames.npy", np.concatenate(encoded))
    files.write_table(out / "songs.csv", FRAME_COLUMNS, rows)


class Windows:
    """All windows of 45 frames of a split: 40 that were, and the 5 that came.

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
        Numbers of a frame.
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
        return torch.from_numpy(self._frames[rows])

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each number: Tensor[size] each."""
        frames = np.concatenate([self._frames[f : f + n] for f, n in self._pieces])
        return torch.from_numpy(frames.mean(0)), torch.from_numpy(frames.std(0) + 1e-6)
