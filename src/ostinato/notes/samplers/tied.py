"""Tied: the same small network at every key, so that what it learns at one key holds for all.

Along time, each key has an LSTM that sees what the previous step played around the key. Along the
keys, from the lowest to the highest, each key decides whether it sounds, given what was decided
below. All keys share their weights, so intervals matter and positions on the keyboard hardly do;
these are the tied parallel networks of Johnson (2017, "Generating polyphonic music using tied
parallel networks"). Each key also sees where the music was the same before, and what came next: the
match of the whole step and, since voices repeat separately, that of its own surroundings. The
likelihood is exact.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import wide
from ostinato.core.schema import Positive, Schema, Share
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import ascending, matches
from ostinato.notes.parts.sampler import Sampler

ROWS = 2**18
"""Largest number of keys times steps in memory at once, except with a gradient or in one step."""

CACHED = 2**8
"""Number of steps computed at once when notes are drawn, so that they stay in the cache."""

NAMES, TOLD = 8, 16
"""Size of the embedding of a key, and of the projection of the features that each LSTM sees."""

MANY = 4
"""Numbers of keys are divided by this, so that they are about as large as other inputs."""

SELDOM = -3.0
"""Initial logit of the probability that a key sounds."""


class Params(Schema):
    """Sizes of the tied sampler.

    Attributes
    ----------
    cells : int
        Number of cells of the LSTM along time.
    hidden : int
        Width of the network along the keys.
    radius : int
        Number of semitones that a key sees on both sides.
    match_steps : int
        Number of steps back that are searched for matches; 0: no matches.
    match_radius : int
        Number of semitones on both sides that have to repeat in a match of a key's surroundings.
    dropout, input_dropout : float
        Dropout rate of the LSTM's outputs and of the network's hidden layer, and that of the LSTM's
        inputs.
    """

    cells: Positive
    hidden: Positive
    radius: Annotated[int, Field(ge=1, le=87)]
    match_steps: Annotated[int, Field(ge=0, le=2**15 - 1)]
    match_radius: Annotated[int, Field(ge=0, le=15)]
    dropout: Share
    input_dropout: Share


class State(NamedTuple):
    """What is kept between calls; it covers all steps of the past but the last.

    Attributes
    ----------
    whole, voices : matches.State or None
        States of the search for matches of whole steps, and of each key's surroundings.
    cells : recurrent.State
        State of the LSTM, for B times K keys.
    annotation : Tensor[B, T, K, 4] or None
        Matches of the steps that follow, from `Model.annotate`.
    """

    whole: matches.State | None
    voices: matches.State | None
    cells: recurrent.State
    annotation: Tensor | None = None


class Model(Sampler):
    """The tied sampler; see `Sampler`. It takes 12 keys to be pitch classes.

    It needs one random number per key. The temperature applies to the choice of the next key that
    sounds, if any. Sharpening the decision of each key instead would bring silence, since few keys
    are more likely to sound than not.
    """

    def __init__(self, features: int, keys: int, params: Params):
        context_length = params.match_steps + matches.LONGEST if params.match_steps else 1
        super().__init__(keys, context_length)
        self.keys = keys
        self.ring = keys == CLASSES
        self.radius = min(params.radius, keys - 1)
        self.match_radius = min(params.match_radius, (keys - 1) // 2)
        self.match_steps = params.match_steps
        seen = _seen(keys, self.radius)
        matched = _seen(keys, CLASSES) + 3 if params.match_steps else 0
        self.name = nn.Embedding(keys, NAMES)
        self.told = nn.Linear(features, TOLD)
        inputs = seen + CLASSES + 1 + NAMES + TOLD + matched
        self.along_time = nn.LSTM(inputs, params.cells, batch_first=True)
        self.remembered = nn.Linear(features, params.hidden)
        self.lasting = nn.Linear(params.cells, params.hidden)
        self.lower = nn.Linear(self.radius + CLASSES + 1, params.hidden, bias=False)
        self.deeper = nn.Linear(params.hidden, params.hidden)
        self.sounds = nn.Linear(params.hidden, 1)
        self.dropout, self.input_dropout = params.dropout, params.input_dropout
        nn.init.constant_(self.sounds.bias, SELDOM)
        # The code of a step is the sum of its keys' random numbers (Zobrist hashing, 1970).
        numbers = torch.Generator().manual_seed(keys)
        code = torch.randint(-(2**62), 2**62, (keys,), generator=numbers)
        self.register_buffer("code", code, persistent=False)

    @torch.no_grad()
    def annotate(self, song: Tensor) -> Tensor | None:
        """Find lag and length of the match of each key's surroundings, and of that of the step."""
        if not self.match_steps:
            return None
        sounds = song > 0
        # Codes of whole steps that do not depend on the size of the keyboard.
        number = torch.unique(sounds, dim=0, return_inverse=True)[1][:, None]
        unknown = ~sounds.any(-1).cumsum(0).bool()[:, None]
        found = []
        for codes in (self._voices(sounds), number):
            known = codes.masked_fill(unknown, matches.UNKNOWN)[None]
            begin = matches.initial(known[:, :0], self.match_steps)
            match, _ = matches.follow(known[:, :-1], begin)
            both = functional.pad(torch.stack(match, -1)[0], (0, 0, 0, 0, 1, 0))
            found.append(both.short().expand(-1, song.shape[1], -1))
        return torch.cat(found, -1)

    def initial(self, past: Tensor, annotation: Tensor | None = None) -> State:
        cells = past.new_zeros(1, len(past) * self.keys, self.along_time.hidden_size)
        if annotation is not None or not self.match_steps:
            return State(None, None, (cells, cells), annotation)
        codes = self._codes(past[:, :-1], past.new_zeros(len(past), dtype=torch.bool))
        whole, voices = (matches.initial(code, self.match_steps) for code in codes)
        return State(whole, voices, (cells, cells))

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        nats = []
        for context, notes, after in self._contexts(features, known, state):
            hidden = self._hidden(context, *_below(notes, self.radius))
            logits = self._logits(self._drop(hidden, self.dropout))
            nats.append(functional.logsigmoid(logits * (2 * notes - 1)).sum(-1))
            state = after
        return torch.cat(nats, 1), state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        context, state = self._context(features, past, state)
        return self._draw(context[:, 0], uniforms[:, 0], temperature)[:, None], state

    def guess(self, features: Tensor, known: Tensor, uniforms: Tensor) -> Tensor:
        steps, drawn, first = features.shape[1], [], 0
        begin = self.initial(known[:, : known.shape[1] - steps])
        for context, notes, _ in self._contexts(features, known, begin):
            now = uniforms[:, 1, :, first : first + notes.shape[1]]
            first += notes.shape[1]
            rows = self._draw(context.flatten(0, 1), now.flatten(1, 2), 1.0)
            drawn.append(rows.view(now.shape))
        return torch.cat(drawn, 2)

    def _contexts(
        self, features: Tensor, known: Tensor, state: State
    ) -> Iterator[tuple[Tensor, Tensor, State]]:
        """Process known steps, all at once if a gradient is wanted, otherwise in parts.

        Yields
        ------
        context : Tensor[B, t, K, H]
        notes : Tensor[B, t, K]
        state : State
            The state after these steps.
        """
        steps = features.shape[1]
        before = known.shape[1] - steps
        most = steps if torch.is_grad_enabled() else max(1, ROWS // known[:, 0].numel())
        for first in range(0, steps, most):
            told = features[:, first : first + most]
            last = before + first + told.shape[1]
            context, state = self._context(told, known[:, first : last - 1], state)
            yield context, known[:, before + first : last], state

    def _draw(self, context: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
        """Draw one note after another.

        Parameters
        ----------
        context : Tensor[N, K, H]
        uniforms : Tensor[..., N, K]
            For one or several draws in each context.
        temperature : float

        Returns
        -------
        Tensor[..., N, K]
        """
        place = torch.arange(self.keys, device=context.device)
        # Cumulative sums are a matrix product: cumsum of floats is not deterministic on CUDA.
        lower = torch.ones(self.keys, self.keys, device=context.device).triu()

        def sounding(where: Tensor, drawn: Tensor, above: int = 0) -> Tensor:
            below = (each[..., above:, :] for each in _below(drawn, self.radius))
            found = self._logits(self._hidden(context[where, above:], *below))
            return functional.pad(found, (above, 0))

        contexts = torch.arange(len(context), device=context.device).split(CACHED)
        nothing = torch.zeros_like(context[:CACHED, :, 0])
        first = torch.cat([sounding(part, nothing[: len(part)]) for part in contexts])

        def logits(drawn: Tensor, last: Tensor, number: int, rows: Tensor) -> Tensor:
            where = rows % len(context)
            if not number:
                # Nothing has been drawn, so all draws in a context begin with equal logits.
                sounds = first[where]
            elif len(rows) <= ascending.FEW:
                sounds = sounding(where, drawn)
            else:
                # Keys up to the last are decided; rows go on together that have as many left.
                order = last.argsort()
                parts = [
                    sounding(where[part], drawn[part], int(last[part[0]]))
                    for part in order.split(CACHED)
                ]
                sounds = torch.empty_like(first[where]).index_copy(0, order, torch.cat(parts))
            decided = place < last[:, None]
            this = functional.logsigmoid(sounds).masked_fill(decided, -torch.inf)
            none_below = functional.logsigmoid(-sounds).masked_fill(decided, 0) @ lower.to(sounds)
            return functional.pad(this, (0, 1)) + functional.pad(none_below, (1, 0))

        flat = uniforms.flatten(0, -2)
        silence = torch.zeros_like(flat, dtype=context.dtype)
        return ascending.draw_notes(logits, silence, flat, temperature).view(uniforms.shape)

    def _follow(self, heard: Tensor, state: State) -> tuple[list[matches.Match], State]:
        """Process steps, and find the matches of the step after each.

        Parameters
        ----------
        heard : Tensor[B, T, K]
        state : State

        Returns
        -------
        list of matches.Match
            Those of whole steps and of voices; empty if none are searched.
        state : State
            The state after these steps, except for that of the LSTM.
        """
        if not self.match_steps:
            return [], state
        if state.annotation is not None:
            now, later = state.annotation.tensor_split([heard.shape[1]], 1)
            lag, length, whole_lag, whole_length = now.long().unbind(-1)
            whole = matches.Match(whole_lag[..., :1], whole_length[..., :1])
            return [whole, matches.Match(lag, length)], state._replace(annotation=later)
        begun = (state.whole.codes != matches.UNKNOWN).any((1, 2))
        codes, before = self._codes(heard, begun), (state.whole, state.voices)
        found = [matches.follow(*each) for each in zip(codes, before, strict=True)]
        (whole, after), (voices, after_voices) = found
        return [whole, voices], state._replace(whole=after, voices=after_voices)

    def _codes(self, notes: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Compute codes of steps; equal steps have equal codes.

        Parameters
        ----------
        notes : Tensor[B, T, K]
        heard : Tensor[B] of bool
            Whether there was a note before them. If not, steps before the first note are unknown.

        Returns
        -------
        whole : Tensor[B, T, 1] of int64
        voices : Tensor[B, T, K] of int32
            Codes of each key's surroundings, with one bit for each key in them.
        """
        sounds = notes > 0
        begun = (sounds.any(-1).cumsum(1) > 0) | heard[:, None]
        whole = (sounds * self.code).sum(-1, keepdim=True)
        codes = whole, self._voices(sounds)
        unknown = ~begun[..., None]
        return tuple(code.masked_fill(unknown, matches.UNKNOWN) for code in codes)

    def _voices(self, sounds: Tensor) -> Tensor:
        """Compute codes of each key's surroundings: Tensor[..., K] of bool to the same of int32."""
        near = self._around(sounds.int(), self.match_radius)
        bits = torch.arange(near.shape[-1], dtype=torch.int32, device=near.device)
        return (near << bits).sum(-1, dtype=torch.int32)

    def _context(self, features: Tensor, heard: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute what each key knows before any key decides.

        Parameters
        ----------
        features : Tensor[B, T, F]
        heard : Tensor[B, C + T - 1, K]
            The C steps before them, and all but the last of the T steps.
        state : State

        Returns
        -------
        context : Tensor[B, T, K, H]
        state : State
        """
        batch, steps = features.shape[:2]
        before = heard[:, -steps:]
        found, state = self._follow(before, state)
        shape = (batch, steps, self.keys)
        seen = [
            self._around(before, self.radius),
            _classes(before),
            before.sum(-1)[..., None, None].expand(*shape, 1) / MANY,
            self.name.weight.expand(*shape, NAMES),
            self.told(features)[:, :, None].expand(*shape, TOLD),
        ]
        if found:
            now = torch.arange(heard.shape[1] - steps + 1, heard.shape[1] + 1, device=heard.device)
            (whole, length), (voices, lengths) = (
                (_came(heard, now[:, None], match), match.length.to(heard.dtype).log1p())
                for match in found
            )
            seen += [
                self._around(whole, CLASSES),
                length[..., None].expand(*shape, 1),
                voices[..., None],
                lengths[..., None],
            ]
        rows = torch.cat(seen, -1).transpose(1, 2).flatten(0, 1)
        rows = self._drop(rows, self.input_dropout)
        lasting, cells = recurrent.run(self.along_time, [rows], state.cells)
        lasting = self._drop(lasting, self.dropout)
        lasting = lasting.unflatten(0, (batch, self.keys)).transpose(1, 2)
        context = self.lasting(lasting) + self.remembered(features)[:, :, None]
        return context, state._replace(cells=cells)

    def _hidden(self, context: Tensor, near: Tensor, classes: Tensor, count: Tensor) -> Tensor:
        """Combine what a key knows of the past and of the keys below it.

        Parameters
        ----------
        context : Tensor[..., H]
        near : Tensor[..., radius]
            Which of the nearest keys below it sound.
        classes : Tensor[..., 12]
            How many keys below it sound at each interval modulo octaves.
        count : Tensor[..., 1]
            How many keys below it sound.

        Returns
        -------
        Tensor[..., H]
        """
        lower = self.lower(torch.cat([near, classes, count / MANY], -1))
        return functional.silu(context + lower)

    def _logits(self, hidden: Tensor) -> Tensor:
        """Compute logits of sounding, at least float32: Tensor[..., H] to Tensor[...]."""
        hidden = hidden + functional.silu(self.deeper(hidden))
        return wide(self.sounds(hidden)[..., 0])

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Drop out the same numbers at all steps (Gal and Ghahramani, 2016, arXiv:1512.05287).

        Tensor[any, T, ...] to the same shape.
        """
        if not (self.training and share):
            return values
        mask = torch.empty_like(values[:, :1]).bernoulli_(1 - share)
        return values * mask.div_(1 - share)

    def _around(self, values: Tensor, width: int) -> Tensor:
        """Look up the values around each key: Tensor[..., K] to Tensor[..., K, keys around it].

        On a ring, these are all pitch classes, from half an octave below upwards.
        """
        if self.ring:
            half = CLASSES // 2
            padded = torch.cat([values[..., -half:], values, values[..., : half - 1]], -1)
            return padded.unfold(-1, CLASSES, 1)
        return functional.pad(values, (width, width)).unfold(-1, 2 * width + 1, 1)


def _seen(keys: int, width: int) -> int:
    """Return the number of keys that `Model._around` looks up."""
    return CLASSES if keys == CLASSES else 2 * width + 1


def _octaves(values: Tensor) -> Tensor:
    """Arrange keys by octave: Tensor[..., K] to Tensor[..., octaves, 12]."""
    short = -values.shape[-1] % CLASSES
    return functional.pad(values, (0, short)).unflatten(-1, (-1, CLASSES))


def _classes(values: Tensor) -> Tensor:
    """Count keys by interval, modulo octaves, from each key: Tensor[..., K] to [..., K, 12]."""
    counts = _octaves(values).sum(-2)
    keys = torch.arange(values.shape[-1], device=values.device)
    classes = torch.arange(CLASSES, device=values.device)
    return counts[..., (keys[:, None] + classes) % CLASSES]


def _below(notes: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Look up what sounds below each key.

    Parameters
    ----------
    notes : Tensor[..., K]
    width : int

    Returns
    -------
    near : Tensor[..., K, width]
        The nearest keys below it.
    classes : Tensor[..., K, 12]
        How many keys below it sound at each interval modulo octaves.
    count : Tensor[..., K, 1]
        How many keys below it sound.
    """
    keys = notes.shape[-1]
    near = functional.pad(notes, (width, -1)).unfold(-1, width, 1)
    sounds = notes.int()  # integers, since cumsum of floats is not deterministic on CUDA
    octaves = _octaves(sounds).cumsum(-2).flatten(-2)[..., : keys - 1].to(notes.dtype)
    classes = functional.pad(octaves, (CLASSES, 0)).unfold(-1, CLASSES, 1)
    return near, classes, (sounds.cumsum(-1) - sounds)[..., None].to(notes.dtype)


def _came(known: Tensor, now: Tensor, match: matches.Match) -> Tensor:
    """Look up what came at the matches; zeros where there is none.

    Parameters
    ----------
    known : Tensor[B, any, K]
    now : Tensor[T, 1] of int64
        Position of each step in `known`.
    match : matches.Match
        Tensors [B, T, 1 or K].

    Returns
    -------
    Tensor[B, T, K]
    """
    place = (now - match.lag).expand(*match.lag.shape[:2], known.shape[2])
    # A step without a match has a lag of 0, and its position may be beyond the end.
    came = known.gather(1, place.clamp(max=known.shape[1] - 1))
    return came * (match.length > 0)
