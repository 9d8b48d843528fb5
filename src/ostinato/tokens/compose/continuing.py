"""A song that goes on, with its own tracks, as a model of events hears it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from ostinato.core import noise
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.scores.parts import numbers_of
from ostinato.scores.score import TICKS_PER_BEAT, Score, UnreadableScore, tidy
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.sampling import draws
from ostinato.tokens.data.events import classes_of, fitting
from ostinato.tokens.data.pairs import apart
from ostinato.tokens.data.tokenizer import Tokenizer
from ostinato.tokens.model import NextToken

LOOKED = 64
"""After so many tokens, it is seen whether the song is long enough."""

MOST = 1000
"""No more tokens are drawn for a bar than this."""

TOP_P = 0.98
"""Tokens that together are less probable than the rest of this are not drawn."""

HEARD = 2048
"""So many tokens of the song are heard, the last ones."""

_NUMBER = re.compile(r"[\d.]+")


def continue_score(
    model: NextToken, score: Score, bars: int, temperature: float, seed: int
) -> Score:
    """Continue a score from the bar after its last note.

    Parameters
    ----------
    model : NextToken
        Of events.
    score : Score
        The score to continue, without swing. Its notes, tempi and metres stay. New notes are in its
        own parts.
    bars : int
        Number of new bars.
    temperature : float
        See `ostinato.tokens.compose.sampling.distribution`.
    seed : int
        Seed for the random numbers.

    Returns
    -------
    Score

    Raises
    ------
    UserError
        If the model does not know the metre of the score.
    """
    tokenizer = Tokenizer(model.data)
    end = int((score.notes["onset"] + score.notes["length"]).max())
    metre = [each for each in score.metres if each.tick < end][-1]
    begin = metre.tick + -(-(end - metre.tick) // metre.bar) * metre.bar
    if str(metre) not in model.data["metres"]:
        known = ", ".join(model.data["metres"])
        raise UserError(f"the model knows no bars of {metre}, only of {known}")
    try:
        names = _known(tokenizer.names_of(score), model.data["names"])
    except UnreadableScore as error:
        raise UserError(str(error)) from error
    names += _rest(names, score, begin, model.data)
    given = [BOUNDARY, *classes_of(names, model.data)]
    uniforms = noise.uniforms((1, bars * MOST), seed, "continue")
    drawn: list[str] = []
    new, numbers = np.zeros(0, score.notes.dtype), []
    prompt = torch.tensor([given[-HEARD:]])
    allowed = torch.from_numpy(fitting(model.data["names"], names))
    allowed[BOUNDARY] = False  # the song goes on
    written = draws(model, prompt, uniforms, temperature, top_p=TOP_P, allowed=allowed)
    for count, [token] in enumerate(progress(written, bars * MOST, "continue"), 1):
        drawn += apart([model.data["names"][token]])
        if count % LOOKED == 0:
            new, numbers = tokenizer.notes_of([*names, *drawn])
            if len(new) and new["onset"].max() >= begin + bars * metre.bar:
                break
    new = new[(new["onset"] >= begin) & (new["onset"] < begin + bars * metre.bar)]
    new["length"] = np.minimum(new["length"], begin + bars * metre.bar - new["onset"])
    used = np.unique(score.notes["part"]).tolist()
    of = numbers_of([score.parts[part] for part in used])
    own = dict(zip(of, used, strict=True))
    new["part"] = [own[numbers[place]] for place in new["part"]]
    return replace(score, notes=tidy(np.concatenate([score.notes, new])))


def _rest(names: Sequence[str], score: Score, begin: int, data: dict[str, Any]) -> list[str]:
    """Say that nothing is struck until a bar begins."""
    if data["tokenizer"] == "tsd":
        left = Fraction(begin - int(score.notes["onset"].max()), TICKS_PER_BEAT)
        shifts = {_number(name): name for name in data["names"] if name.startswith("TimeShift")}
        found = []
        for beats in sorted(shifts, reverse=True):
            while beats <= left:
                found.append(shifts[beats])
                left -= beats
        return found
    ends = [metre.tick for metre in score.metres[1:] if metre.tick < begin] + [begin]
    pairs = list(zip(score.metres, ends, strict=False))
    bars = sum(-(-(end - metre.tick) // metre.bar) for metre, end in pairs)
    bar = ["Bar_None", f"TimeSig_{pairs[-1][0]}"]
    return bar * (bars + 1 - names.count(bar[0]))


def _known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Replace tokens that the model does not know by those whose numbers are nearest."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in apart(known[1:]):
        kinds[name.partition("_")[0]].append(name)
    replaced = {}
    for name in set(names) - set(apart(known)):
        number = _number(name)
        near = ((abs(_number(other) - number), other) for other in kinds[name.partition("_")[0]])
        replaced[name] = min(near, default=(0, ""))[1]
    return [found for name in names if (found := replaced.get(name, name))]


def _number(name: str) -> Fraction:
    """The number in a token; a length such as ``1.2.4`` is 1 and 2/4 beats."""
    number = _NUMBER.findall(name)[-1]
    if name.startswith(("Duration", "TimeShift")):
        beats, steps, in_a_beat = map(int, number.split("."))
        return beats + Fraction(steps, in_a_beat)
    return Fraction(number)
