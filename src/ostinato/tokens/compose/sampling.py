"""Sampling: tokens drawn one after another from the model's distribution."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.core.categorical import draw, whole
from ostinato.core.devices import device_of
from ostinato.tokens import BOUNDARY
from ostinato.tokens.model import NextToken

MIN_TEMPERATURE = 1e-30
"""Lower temperatures than this give the same result, but could give infinite logits."""


def sample(
    model: NextToken,
    prompt: Tensor,
    uniforms: Tensor,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    allowed: Tensor | None = None,
    least: int = 1,
) -> list[list[int]]:
    """Continue each prompt until the piece ends.

    Parameters
    ----------
    model : NextToken
    prompt : Tensor[B, P] of int64
        Classes, at least one. A boundary alone begins a new piece.
    uniforms : Tensor[B, N]
        Random numbers in [0, 1), one for each token.
    temperature, top_k, top_p
        See `distribution`.
    allowed : Tensor[classes] of bool, optional
        Which classes may be drawn.
    least : int
        So many tokens are drawn before a piece may end.

    Returns
    -------
    list of list of int
        What was written after each prompt: `least` to N tokens, without the boundary at the end.
    """
    ended = [False] * len(prompt)
    written = []
    for tokens in draws(model, prompt, uniforms, temperature, top_k, top_p, allowed, least):
        written.append(tokens)
        ended = [over or new == BOUNDARY for over, new in zip(ended, tokens, strict=True)]
        if all(ended):
            break
    return [_until_boundary(list(tokens)) for tokens in zip(*written, strict=True)]


def draws(
    model: NextToken,
    prompt: Tensor,
    uniforms: Tensor,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    allowed: Tensor | None = None,
    least: int = 1,
) -> Iterator[list[int]]:
    """Draw one token after another for each prompt; for the parameters see `sample`.

    The state of the model is carried from token to token, so a token takes no longer than the one
    before.

    Yields
    ------
    list of int
        The next token after each prompt.
    """
    device = device_of(model)
    allowed = None if allowed is None else allowed.to(device)
    with torch.inference_mode():
        logits, state = model.logits(prompt.to(device), model.initial(len(prompt)))
        logits = logits[:, -1:]
    for count, now in enumerate(uniforms.to(device).T[..., None]):
        with torch.inference_mode():
            if allowed is not None:
                logits = logits.masked_fill(~allowed, -torch.inf)
            if count < least:
                logits[..., BOUNDARY] = -torch.inf
            token = draw(distribution(logits, temperature, top_k, top_p), now)
        yield token[:, 0].tolist()
        with torch.inference_mode():
            logits, state = model.logits(token, state)


def _until_boundary(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(BOUNDARY)] if BOUNDARY in tokens else tokens


def distribution(logits: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Turn a model's logits into the probabilities that tokens are drawn with.

    Parameters
    ----------
    logits : Tensor[..., classes]
    temperature : float
        Probabilities are proportional to p^(1/temperature). At 0, only the most probable token is
        kept.
    top_k : int
        Next, only this many of the most probable tokens are kept; 0 keeps all.
    top_p : float
        Last, only the most probable tokens that together reach this probability are kept. This is
        nucleus sampling (Holtzman et al., The curious case of neural text degeneration, ICLR 2020).

    Returns
    -------
    Tensor[..., classes] of float64
        They sum to 1.
    """
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).double()
    probabilities = (logits.double() / max(temperature, MIN_TEMPERATURE)).softmax(-1)
    if not top_k and top_p == 1:
        return probabilities
    best = logits.argsort(dim=-1, descending=True, stable=True)
    ranked = probabilities.gather(-1, best)
    if top_k:
        ranked[..., top_k:] = 0
    if top_p < 1:
        counts = whole(ranked)
        before = counts.cumsum(-1) - counts
        ranked = ranked * (before < top_p * counts.sum(-1, keepdim=True).double())
    ranked = ranked / ranked.sum(-1, keepdim=True)
    return torch.zeros_like(ranked).scatter(-1, best, ranked)
