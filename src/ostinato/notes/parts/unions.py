"""Unions: the set of notes that several voices draw together.

Each voice draws one key or a pause from its own categorical distribution; a note sounds if any
voice draws it. If the voices draw independently, the probability of a set is a sum over all ways to
distribute its notes among the voices. It is computed voice by voice, over the subsets covered so
far. All terms are positive, unlike in inclusion-exclusion, so no digits are lost to cancellation.
The pause is always the last outcome.
"""

import torch
from torch import Tensor, nn

from ostinato.core.categorical import draw_at, wide
from ostinato.core.errors import UserError
from ostinato.notes.data.rolls import CLASSES

SMALLEST = 1e-6
"""Probabilities in cross-entropies are kept this far from 0 and 1, as in the notebooks."""

BLOCK = 2**18
"""Number of subsets, over all steps, that are computed at once, so that they stay in the cache."""


class Categoricals(nn.Module):
    """Several categorical distributions over the keys and a pause, from one linear layer.

    Parameters
    ----------
    features : int
        F, number of features per step.
    voices : int
        V, number of distributions.
    keys : int
        K.
    """

    def __init__(self, features: int, voices: int, keys: int):
        super().__init__()
        self.shape = voices, keys + 1
        self.linear = nn.Linear(features, voices * (keys + 1))

    def forward(self, features: Tensor) -> Tensor:
        """Turn features into log-probabilities.

        Parameters
        ----------
        features : Tensor[..., F]

        Returns
        -------
        Tensor[..., V, K + 1]
            At least float32.
        """
        logits = self.linear(features).unflatten(-1, self.shape)
        return wide(logits).log_softmax(-1)


def marginals(log_probs: Tensor) -> Tensor:
    """Compute the probability that at least one of several independent voices draws each note.

    Parameters
    ----------
    log_probs : Tensor[..., V, K + 1]

    Returns
    -------
    Tensor[..., K]
    """
    return 1 - (1 - log_probs[..., :-1].exp()).prod(-2)


def cross_entropy(p: Tensor, notes: Tensor) -> Tensor:
    """Sum the binary cross-entropies of probabilities, clamped to [1e-6, 1 - 1e-6].

    Parameters
    ----------
    p : Tensor[..., N]
    notes : Tensor[..., N]
        0 or 1.

    Returns
    -------
    Tensor[...]
        Nats.
    """
    p = p.clamp(SMALLEST, 1 - SMALLEST)
    return -torch.where(notes > 0, p, 1 - p).log().sum(-1)


def sample(log_probs: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Draw from independent voices, and return the union of what they drew.

    Parameters
    ----------
    log_probs : Tensor[..., V, K + 1]
    uniforms : Tensor[..., V]
    temperature : float
        As for `ostinato.core.categorical.draw_at`.

    Returns
    -------
    Tensor[..., K]
        1 where a note sounds.
    """
    drawn = draw_at(log_probs, uniforms, temperature)
    return torch.zeros_like(log_probs[..., 0, :]).scatter(-1, drawn, 1)[..., :-1]


def log_prob(log_probs: Tensor, notes: Tensor) -> Tensor:
    """Compute the log-probability that the union of independent draws is exactly a set of notes.

    Parameters
    ----------
    log_probs : Tensor[..., V, K + 1]
        Finite.
    notes : Tensor[..., K]
        0 or 1; the log-probabilities are broadcast to its shape.

    Returns
    -------
    Tensor[...]
        Nats; minus infinity if there are more notes than voices.
    """
    voices = log_probs.shape[-2]
    flat = log_probs.reshape(-1, *log_probs.shape[-2:])
    source = torch.arange(len(flat), device=flat.device).view(log_probs.shape[:-2])
    source = source.expand(notes.shape[:-1]).reshape(-1)
    sets = notes.reshape(-1, notes.shape[-1]) > 0
    counts = sets.sum(-1)
    rows = [(counts > voices).nonzero()[:, 0]]
    results = [flat.new_full(rows[0].shape, -torch.inf)]
    for count in range(voices + 1):
        for some in (counts == count).nonzero()[:, 0].split(BLOCK >> count):
            there = sets[some].nonzero()[:, 1].view(len(some), 1, count).expand(-1, voices, -1)
            all_keys = flat.index_select(0, source[some])
            chosen = torch.cat([all_keys.gather(-1, there), all_keys[..., -1:]], -1)
            rows.append(some)
            results.append(_log_prob_of_all(chosen))
    result = flat.new_empty(counts.shape).index_copy(0, torch.cat(rows), torch.cat(results))
    return result.view(notes.shape[:-1])


def _log_prob_of_all(log_probs: Tensor) -> Tensor:
    """Compute the log-probability that voices draw exactly n notes, each at least once.

    Parameters
    ----------
    log_probs : Tensor[M, V, n + 1]
        Those of the n notes and the pause, without the other outcomes of a voice.

    Returns
    -------
    Tensor[M]
    """
    # Relative to each voice's most probable outcome, float64 reaches down to -700 nats. This is as
    # good as logarithms, and several times faster.
    best = log_probs.detach().double().amax(-1, keepdim=True)
    p = (log_probs.double() - best).exp().permute(1, 2, 0).contiguous()
    size = len(log_probs)
    count = p.shape[1] - 1
    # The probability that the voices so far have drawn exactly a subset, one row for each subset.
    # Bit i of the index of a row stands for note i.
    covered = torch.zeros(2**count, size, dtype=p.dtype, device=p.device)
    covered[0] = 1
    for voice in p:
        *notes, again = voice.split(1)  # draws that add nothing: the pause, and notes it has
        for note in notes:
            again = torch.cat([again, again + note])
        after = covered * again
        for bit, note in enumerate(notes):
            halves = (2 ** (count - bit - 1), 2, 2**bit, size)  # without the note, and with it
            after.view(halves)[:, 1].addcmul_(covered.view(halves)[:, 0], note)
        covered = after
    smallest = torch.finfo(p.dtype).tiny  # keeps the gradient finite
    return (covered[-1].clamp(min=smallest).log() + best.sum((1, 2))).to(log_probs.dtype)


def every_set(keys: int, what: str) -> Tensor:
    """List all sets of notes.

    Parameters
    ----------
    keys : int
        K, at most 12.
    what : str
        What needs the list, for the error message.

    Returns
    -------
    Tensor[2^K, K] of int64
        Row c contains the binary digits of c, lowest first.

    Raises
    ------
    UserError
        If there are more than 12 keys.
    """
    if keys > CLASSES:
        raise UserError(
            f"{what} needs a list of all sets of notes: {CLASSES} pitch classes, not {keys} keys"
        )
    return torch.arange(2**keys)[:, None] >> torch.arange(keys) & 1
