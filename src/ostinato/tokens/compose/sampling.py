"""Sampling: one token after the other, drawn from what the model says."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.core.categorical import draw
from ostinato.tokens import BOUNDARY
from ostinato.tokens.model import NextToken

LOWEST = 1e-30
"""Temperature that is as good as any lower one, and leads to no infinite number."""


@torch.inference_mode()
def sample(
    model: NextToken,
    prompt: Tensor,
    uniforms: Tensor,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
) -> list[list[int]]:
    """Write on after a prompt until a piece ends.

    The LSTMs' state is carried from token to token, so that one costs the same wherever it stands.

    Parameters
    ----------
    model : NextToken
    prompt : Tensor[B, P] of int64
        Classes, at least one; the boundary alone is the beginning of a piece.
    uniforms : Tensor[B, N]
        Random numbers in [0, 1), one for each token that may be written.
    temperature, top_k, top_p
        See `distribution`.

    Returns
    -------
    list of list of int
        What was written after each prompt, N tokens or fewer, the boundary left out; at least one.
    """
    logits, state = model.logits(prompt, model.initial(len(prompt)))
    logits = logits[:, -1:]
    logits[..., BOUNDARY] = -torch.inf  # there is no piece of nothing
    ended = [False] * len(prompt)
    written = []
    for now in uniforms.T[..., None]:
        token = draw(distribution(logits, temperature, top_k, top_p), now)
        written.append(token[:, 0].tolist())
        ended = [over or new == BOUNDARY for over, new in zip(ended, written[-1], strict=True)]
        if all(ended):
            break
        logits, state = model.logits(token, state)
    return [_until_boundary(list(tokens)) for tokens in zip(*written, strict=True)]


def _until_boundary(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(BOUNDARY)] if BOUNDARY in tokens else tokens


def distribution(logits: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Turn a model's logits into the probabilities with which tokens are drawn.

    Parameters
    ----------
    logits : Tensor[..., classes]
    temperature : float
        Probabilities are proportional to p^(1/temperature); 0 leaves the most probable token.
    top_k : int
        Then only so many most probable tokens are left; 0 leaves all.
    top_p : float
        Then only the most probable tokens that it takes to reach this probability are left: nucleus
        sampling (Holtzman et al., The curious case of neural text degeneration, ICLR 2020).

    Returns
    -------
    Tensor[..., classes] of float64
        They sum to 1.
    """
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).double()
    probabilities = (logits.double() / max(temperature, LOWEST)).softmax(-1)
    if not top_k and top_p == 1:
        return probabilities
    best = logits.argsort(dim=-1, descending=True, stable=True)
    ranked = probabilities.gather(-1, best)
    if top_k:
        ranked[..., top_k:] = 0
    if top_p < 1:
        ranked = ranked / ranked.sum(-1, keepdim=True)
        ranked = ranked * (ranked.cumsum(-1) - ranked < top_p)
    ranked = ranked / ranked.sum(-1, keepdim=True)
    return torch.zeros_like(ranked).scatter(-1, best, ranked)
