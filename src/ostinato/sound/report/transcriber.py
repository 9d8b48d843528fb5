"""How well the transcriber finds the notes of held-out pieces."""

import mir_eval
import numpy as np
import torch

from ostinato.core.progress import progress
from ostinato.sound.data.sound import Sounds
from ostinato.sound.transcriber import Transcriber

FIGURES = "onset_precision", "onset_recall", "onset_f1", "f1"


def measure(model: Transcriber, sounds: Sounds) -> dict[str, float]:
    """Transcribe the test pieces whose notes are known, and compare.

    Parameters
    ----------
    model : Transcriber
        Trained.
    sounds : Sounds
        The collection.

    Returns
    -------
    dict of str to float
        Means over the pieces of what `scores` returns.
    """
    pieces = [piece for piece in sounds.of("test") if sounds.notes(piece) is not None]
    rows = [
        scores(sounds.notes(piece), model.transcribe([torch.from_numpy(sounds.piece(piece))]))
        for piece in progress(pieces, len(pieces), "transcribe")
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in FIGURES}


def scores(true: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Compare notes (mir_eval: Raffel et al., ISMIR 2014).

    Parameters
    ----------
    true, found : ndarray[PLAYED]

    Returns
    -------
    dict of str to float
        ``onset_precision``, ``onset_recall`` and ``onset_f1`` count notes of which pitch and start
        are right, within 50 ms; ``f1`` those whose end is, too, within a fifth of their length.
    """
    arguments = (*_arranged(true), *_arranged(found))
    onset = mir_eval.transcription.precision_recall_f1_overlap(*arguments, offset_ratio=None)
    whole = mir_eval.transcription.precision_recall_f1_overlap(*arguments)
    return dict(zip(FIGURES, (*onset[:3], whole[2]), strict=True))


def _arranged(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals in seconds and frequencies, as mir_eval wants them."""
    intervals = np.stack([notes["start"], notes["end"]], 1)
    return intervals, 440 * 2 ** ((notes["pitch"] - 69.0) / 12)
