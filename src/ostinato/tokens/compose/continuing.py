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
from ostinato.core.progress import tell
from ostinato.scores.parts import FAMILY, instrument, numbers_of
from ostinato.scores.score import TICKS_PER_BEAT, Part, Score, UnreadableScore, tidy
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.sampling import draws
from ostinato.tokens.data.events import classes_of, fitting
from ostinato.tokens.data.pairs import apart
from ostinato.tokens.data.tokenizer import DRUMS, Tokenizer, in_quarters
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
        If the model does not know the metres of the score, or none of its instruments, or writes
        nothing.
    """
    tokenizer = Tokenizer(model.data)
    end = score.end
    metres = [each for each in score.metres if each.tick < end]
    tempi = [each for each in score.tempi if each.tick < end]
    metre = metres[-1]
    begin = metre.tick + -(-(end - metre.tick) // metre.bar) * metre.bar
    for each in metres:
        if str(in_quarters(each)) not in model.data["metres"]:
            known = ", ".join(model.data["metres"])
            raise UserError(f"the model knows no bars of {each}, only of {known}")
    used = np.unique(score.notes["part"]).tolist()
    numbers = _heard(tokenizer, [score.parts[part] for part in used])
    heard = replace(score, metres=metres, tempi=tempi)
    try:
        names = _known(tokenizer.names_of(heard, numbers), model.data["names"])
    except UnreadableScore as error:
        raise UserError(str(error)) from error
    names += _rest(names, heard, begin, model.data)
    given = [BOUNDARY, *classes_of(names, model.data)]
    uniforms = noise.uniforms((1, bars * MOST), seed, "continue")
    prompt = torch.tensor([given[-HEARD:]])
    allowed = torch.from_numpy(fitting(model.data["names"], names))
    allowed[BOUNDARY] = False  # the song goes on
    written = draws(model, prompt, uniforms, temperature, top_p=TOP_P, allowed=allowed)
    drawn = [] if model.data["tokenizer"] == "tsd" else names[-2:]  # the bar that has begun
    new, of = np.zeros(0, score.notes.dtype), []
    for count, [token] in enumerate(written, 1):
        drawn += apart([model.data["names"][token]])
        if count % LOOKED == 0:
            new, of = tokenizer.notes_of(drawn)
            if len(new) and new["onset"].max() >= bars * metre.bar:
                break
    new = new[new["onset"] < bars * metre.bar]
    if not len(new):
        raise UserError("the model wrote no notes; try another --seed")
    new["length"] = np.minimum(new["length"], bars * metre.bar - new["onset"])
    new["onset"] += begin
    counts = np.bincount(score.notes["part"])
    own: dict[int | None, int] = {}
    for part, number in sorted(zip(used, numbers, strict=True), key=lambda each: counts[each[0]]):
        own[number] = part  # of parts that share a number, that with most notes
    new["part"] = [own[of[place]] for place in new["part"]]
    return replace(score, notes=tidy(np.concatenate([score.notes, new])))


def _heard(tokenizer: Tokenizer, parts: Sequence[Part]) -> list[int | None]:
    """Choose the number in tokens of each part of a song; None if the model cannot hear it.

    Each part has a number of its own that the model knows: its usual one, or that of the nearest
    family. If the model knows a single part, all parts with pitch are that one. Drums are always
    drums.

    Raises
    ------
    UserError
        If it can hear none of them.
    """
    usual = numbers_of(parts)
    # Those with their usual number come first.
    order = sorted(range(len(parts)), key=lambda place: usual[place] not in tokenizer.parts)
    free, chosen = list(tokenizer.parts), dict[int, int | None]()
    for place in order:
        number = usual[place]
        if parts[place].drums:
            chosen[place] = DRUMS if tokenizer.config["drums"] else None
            continue
        near = ((n // FAMILY != number // FAMILY, abs(n - number), n) for n in free)
        chosen[place] = min(near, default=(0, 0, None))[-1]
        if len(tokenizer.parts) > 1 and free:
            free.remove(chosen[place])
    numbers = [chosen[place] for place in range(len(parts))]
    if all(number is None for number in numbers):
        raise UserError("the model knows none of the instruments of this song")
    pairs = zip(parts, numbers, strict=True)
    silent = [part.name or instrument(part) for part, number in pairs if number is None]
    if silent:
        tell(f"continue: the model has no part for {', '.join(silent)}, which will be silent")
    return numbers


def _rest(names: Sequence[str], score: Score, begin: int, data: dict[str, Any]) -> list[str]:
    """Say that nothing is struck until a bar begins."""
    if data["tokenizer"] == "tsd":
        # Time shifts count beats of the metre.
        unit = in_quarters(score.metres[-1]).unit
        left = Fraction(begin - int(score.notes["onset"].max()), TICKS_PER_BEAT) * unit / 4
        shifts = {_number(name): name for name in data["names"] if name.startswith("TimeShift")}
        found = []
        for beats in sorted(shifts, reverse=True):
            while beats <= left:
                found.append(shifts[beats])
                left -= beats
        return found
    ends = [metre.tick for metre in score.metres[1:]] + [begin]
    pairs = list(zip(score.metres, ends, strict=True))
    bars = sum(-(-(end - metre.tick) // metre.bar) for metre, end in pairs)
    bar = ["Bar_None", f"TimeSig_{in_quarters(score.metres[-1])}"]
    return bar * max(bars + 1 - names.count(bar[0]), 1)


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
