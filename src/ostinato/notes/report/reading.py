"""Where a generator's memory reads the past."""

import numpy as np
import torch

from ostinato.core.devices import device_of
from ostinato.notes.system import System


@torch.no_grad()
def reading(system: System, roll: np.ndarray, positions: np.ndarray) -> np.ndarray | None:
    """Compute where a generator's memory reads the past, as it processes a piece.

    Parameters
    ----------
    system : System
        Trained.
    roll : ndarray[float32], shape [steps, 88]
        The piece, in the system's representation.
    positions : ndarray[int64], shape [steps, 10]
        Where its steps stand; see `ostinato.notes.data.positions`.

    Returns
    -------
    ndarray[float32], shape [steps, lags], or None
        The weight of each lag; None if its memory does not choose.
    """
    generator = system.generator
    device = device_of(generator)
    notes = system.performer.classes(torch.from_numpy(roll)[None].to(device))
    past = notes.new_zeros(1, generator.context_length, generator.keys)
    begin = generator.initial(past, torch.from_numpy(positions)[None].to(device))
    weights = generator.reading(notes, begin)
    return None if weights is None else weights[0].cpu().numpy()
