"""Unions: the set of notes that several voices draw together.

Each voice draws one key or a pause from a categorical distribution of its own; a note sounds if any
voice draws it. When the voices draw independently, the probability of a set is a sum over the ways
of sharing its notes out, computed voice by voice over the subsets covered so far: only positive
terms, unlike inclusion-exclusion, so no digits are lost. Pause is the last outcome everywhere.
"""

import torch
from torch import Tensor, nn

from ostinato.core.categorical import draw_at
from ostinato.core.errors import UserError
from ostinato.notes.data.rolls import CLASSES

SMALLEST = 1e-6
"""Cross-entropies keep probabilities this far from 0 and 1, as in the author's code."""

BLOCK = 2**18
"""Subsets that are computed at once, over all steps, so that they stay in the cache."""


class Categoricals(nn.Module):
    """Categorical distributions over the keys and a pause, side by side from one linear layer.

    Parameters
    ----------
    features : int
        F, numbers a step that it sees.
    voices : int
        V, how many distributions.
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
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)


def marginals(log_probs: Tensor) -> Tensor:
    """Compute the probability of each note to be drawn by at least one of independent voices.

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
    """Let independent voices draw, and join what they drew.

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
        Nats; minus infinity where there are more notes than voices.
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
    """Compute the log-probability that voices draw each of n notes at least once, or pause.

    Parameters
    ----------
    log_probs : Tensor[M, V, n + 1]
        Of those notes and the pause; what else a voice could draw is not in it.

    Returns
    -------
    Tensor[M]
    """
    # Relative to each voice's best outcome, float64 reaches 700 nats down: as good as logarithms,
    # and several times faster.
    best = log_probs.detach().double().amax(-1, keepdim=True)
    p = (log_probs.double() - best).exp().permute(1, 2, 0).contiguous()
    size = len(log_probs)
    count = p.shape[1] - 1
    # A row for each subset, bit i of its number being note i: the probability that the voices so
    # far have drawn just that.
    covered = torch.zeros(2**count, size, dtype=p.dtype, device=p.device)
    covered[0] = 1
    for voice in p:
        *notes, again = voice.split(1)  # what leaves a subset as it is: the pause, and what it has
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
        K, 12 at most.
    what : str
        What needs the list, for the error.

    Returns
    -------
    Tensor[2^K, K] of int64
        Row c holds the binary digits of c, lowest first.

    Raises
    ------
    UserError
        When there are more keys.
    """
    if keys > CLASSES:
        raise UserError(
            f"{what} needs a list of all sets of notes: {CLASSES} pitch classes, not {keys} keys"
        )
    return torch.arange(2**keys)[:, None] >> torch.arange(keys) & 1
