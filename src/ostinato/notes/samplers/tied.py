"""Tied: the same small network at every key, so that what it learns at one key holds for all.

Along time, each key has an LSTM that sees what the previous step played around the key. Along the
keys, from the lowest to the highest, each key decides whether it sounds, given what was decided
below. All keys share their weights, so intervals matter more than positions on the keyboard; these
are the tied parallel networks of Johnson (2017, "Generating polyphonic music using tied parallel
networks"). Each key knows which it was before the piece was transposed, so voices stay in their
registers, and its interval from the final, so pieces come home. With lengths, a key that sounded at
the previous step and sounds on is held or struck again; all others are struck. Each key also sees
where the music was the same before, and what came next: the match of the whole step and, since
voices repeat separately, that of its own surroundings. The likelihood is exact.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import wide
from ostinato.core.schema import Positive, Schema, Share
from ostinato.notes.data.positions import FINAL, SHIFT, UNKNOWN
from ostinato.notes.data.rolls import CLASSES, LOWEST
from ostinato.notes.parts import ascending, matches
from ostinato.notes.parts.given import Given, draw_given
from ostinato.notes.parts.sampler import Sampler

ROWS = 2**18
"""Largest number of keys times steps in memory at once, except with a gradient or in one step."""

CACHED = 2**8
"""Number of steps computed at once when notes are drawn, so that they stay in the cache."""

NAMES, TOLD = 8, 16
"""Size of the embedding of a key, and of the projection of the features that each LSTM sees."""

PLACES = 8
"""Size of the projection of the features that decides what degrees of the scale are for."""

MANY = 4
"""Numbers of keys are divided by this, so that they are about as large as other inputs."""

SELDOM = -3.0
"""Initial logit of the probability that a key sounds."""

INTERVALS, INTERVAL = 6, 2 * CLASSES + 1
"""Numbers of intervals that compare a key with where voices were, and of the values of each."""

LOWER = 4
"""Number of voices, from the lowest on, that may move in parallel with a key."""

NOWHERE = -1000
"""Stands for a key that does not exist."""

GIVEN = 2**6
"""Number of draws computed at once when something is given: those with as many keys left."""

LATELY = 32
"""Steps over which the fullest chord is found: that of most keys, the last one of several."""

OTHERS = 0.1
"""In training, the share of keys computed among those that are silent in a whole fragment. They
stand for all of these, and count as much more."""


Rows = tuple[Tensor, Tensor]
"""N keys that are computed: indices of their pieces, and the keys."""


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
        Number of semitones on both sides that have to repeat in a match of a key's surroundings;
        with lengths, 7 at the most.
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
    piece : Tensor[B, 2] of int64
        The final of each piece, and by how many semitones it is transposed.
    annotation : Tensor[B, T, K, 4] or None
        Matches of the steps that follow, from `Model.annotate`.
    """

    whole: matches.State | None
    voices: matches.State | None
    cells: recurrent.State
    piece: Tensor
    annotation: Tensor | None = None


class Model(Sampler):
    """The tied sampler; see `Sampler`. It takes 12 keys to be pitch classes.

    It needs one random number per key. The temperature applies to the choice of the next key that
    sounds, if any; see `ascending.draw_notes`. Sharpening the decision of each key
    instead would bring silence, since few keys are more likely to sound than not.
    """

    draws_lengths = True
    takes_given = True
    knows_final = True

    def __init__(self, features: int, keys: int, params: Params, lengths: bool = False):
        context_length = params.match_steps + matches.LONGEST if params.match_steps else LATELY
        super().__init__(keys, context_length)
        self.keys, self.lengths = keys, lengths
        self.ring = keys == CLASSES
        self.radius = min(params.radius, keys - 1)
        widest = min((keys - 1) // 2, 7 if lengths else 15)
        self.match_radius = min(params.match_radius, widest)
        self.match_steps = params.match_steps
        near, edges = _seen(keys, CLASSES), 0 if self.ring else 2 * CLASSES + 2
        seen = _seen(keys, self.radius) + CLASSES + 1 + edges
        lower = self.radius + CLASSES + 1 + (0 if self.ring else CLASSES + 1)
        matched = near + 3 if params.match_steps else 0
        if lengths:
            seen += near + 3
            lower += self.radius + 6 + INTERVALS * INTERVAL + CLASSES
            matched += 2 if params.match_steps else 0
        self.name = nn.Embedding(keys, NAMES)
        self.told = nn.Linear(features, TOLD)
        self.along_time = nn.LSTM(
            seen + NAMES + CLASSES + TOLD + matched, params.cells, batch_first=True
        )
        self.remembered = nn.Linear(features, params.hidden)
        self.compass = nn.Embedding(keys, params.hidden)
        self.place = nn.Linear(features, PLACES)
        self.degree = nn.Linear(PLACES + 1, CLASSES * params.hidden, bias=False)
        self.lasting = nn.Linear(params.cells, params.hidden)
        self.lower = nn.Linear(lower, params.hidden, bias=False)
        self.deeper = nn.Linear(params.hidden, params.hidden)
        self.sounds = nn.Linear(params.hidden, 2 if lengths else 1)
        self.dropout, self.input_dropout = params.dropout, params.input_dropout
        nn.init.constant_(self.sounds.bias[:1], SELDOM)
        nn.init.zeros_(self.compass.weight)
        nn.init.zeros_(self.degree.weight)
        # The code of a step is the sum of its keys' random numbers (Zobrist hashing, 1970).
        numbers = torch.Generator().manual_seed(keys)
        codes = torch.randint(-(2**62), 2**62, (2, keys), generator=numbers)
        self.register_buffer("codes", codes, persistent=False)

    @torch.no_grad()
    def annotate(self, song: Tensor) -> Tensor | None:
        """Find lag and length of the match of each key's surroundings, and of that of the step."""
        if not self.match_steps:
            return None
        # Codes of whole steps that do not depend on the size of the keyboard.
        number = torch.unique(song, dim=0, return_inverse=True)[1][:, None]
        unknown = ~song.any(-1).cumsum(0).bool()[:, None]
        found = []
        for codes in (self._voices(song), number):
            known = codes.masked_fill(unknown, matches.UNKNOWN)[None]
            begin = matches.initial(known[:, :0], self.match_steps)
            match, _ = matches.follow(known[:, :-1], begin)
            both = functional.pad(torch.stack(match, -1)[0], (0, 0, 0, 0, 1, 0))
            found.append(both.short().expand(-1, song.shape[1], -1))
        return torch.cat(found, -1)

    def initial(
        self, past: Tensor, annotation: Tensor | None = None, positions: Tensor | None = None
    ) -> State:
        cells = past.new_zeros(1, len(past) * self.keys, self.along_time.hidden_size)
        if positions is None:
            piece = torch.tensor([UNKNOWN, 0], device=past.device).expand(len(past), 2)
        else:
            piece = positions[:, 0, FINAL : SHIFT + 1]
        if annotation is not None or not self.match_steps:
            return State(None, None, (cells, cells), piece, annotation)
        codes = self._codes(past[:, :-1], past.new_zeros(len(past), dtype=torch.bool))
        whole, voices = (matches.initial(code, self.match_steps) for code in codes)
        return State(whole, voices, (cells, cells), piece)

    def loss(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """See `Sampler`. Of the keys that are silent all the time, only some are computed."""
        if not self.training:
            return super().loss(features, known, state, uniforms)
        sounds = known[:, -features.shape[1] - 1 :].any(1)
        rows = (sounds | (uniforms[:, 0, : self.keys] < OTHERS)).nonzero(as_tuple=True)
        weights = torch.where(sounds, 1, 1 / OTHERS)[rows]
        cells = known.new_zeros(1, len(rows[0]), self.along_time.hidden_size)
        begin = state._replace(cells=(cells, cells))
        nats, state = self._nats(features, known, begin, rows)
        each = nats.new_zeros(features.shape[:2]).index_add(0, rows[0], nats * weights[:, None])
        return -each, state

    def log_prob(
        self, features: Tensor, known: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        steps = features.shape[1]
        rows = self._every(known)
        nats = []
        for first, last in self._parts(known, steps):
            told = features[:, first:last]
            heard = known[:, : known.shape[1] - steps + last]
            found, state = self._nats(told, heard, state, rows)
            nats.append(found.unflatten(0, (len(known), self.keys)).sum(1))
        return torch.cat(nats, 1), state

    def sample(
        self, features: Tensor, past: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        context, state = self._context(features, past, state, self._every(past))
        context = context.view(len(past), self.keys, -1)
        fullest = _fullest(past, 1)[0][:, 0]
        drawn = self._draw(context, past[:, -1], fullest, uniforms[:, 0], temperature)
        return drawn[:, None], state

    def sample_given(
        self,
        features: Tensor,
        past: Tensor,
        state: State,
        given: Given,
        where: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor, State]:
        context, state = self._context(features, past, state, self._every(past))
        context = context.view(len(past), self.keys, -1)
        logits = self._draws(context, past[:, -1], _fullest(past, 1)[0][:, 0], given)
        notes, nats = draw_given(logits, given, where, uniforms, temperature)
        return notes, nats, state

    def guess(
        self, features: Tensor, known: Tensor, uniforms: Tensor, positions: Tensor | None = None
    ) -> Tensor:
        steps, drawn = features.shape[1], []
        before = known.shape[1] - steps
        state, rows = self.initial(known[:, :before], None, positions), self._every(known)
        for first, last in self._parts(known, steps):
            heard = known[:, : before + last - 1]
            context, state = self._context(features[:, first:last], heard, state, rows)
            context = context.view(len(known), self.keys, last - first, -1).transpose(1, 2)
            now = uniforms[:, 1, :, first:last]
            past = known[:, before + first - 1 : before + last - 1]
            fullest, _ = _fullest(heard, last - first)
            contexts = (each.flatten(0, 1) for each in (context, past, fullest))
            found = self._draw(*contexts, now.flatten(1, 2), 1.0)
            drawn.append(found.view(now.shape))
        return torch.cat(drawn, 2)

    def _every(self, notes: Tensor) -> Rows:
        """Return the rows of all keys, those of a piece together."""
        return notes.new_ones(len(notes), self.keys).nonzero(as_tuple=True)

    def _parts(self, known: Tensor, steps: int) -> Iterator[tuple[int, int]]:
        """Divide steps into parts: all at once if a gradient is wanted."""
        most = steps if torch.is_grad_enabled() else max(1, ROWS // known[:, 0].numel())
        return ((first, min(first + most, steps)) for first in range(0, steps, most))

    def _nats(
        self, features: Tensor, known: Tensor, state: State, rows: Rows
    ) -> tuple[Tensor, State]:
        """Compute log-probabilities of the decisions at some keys, given all others: [N, T]."""
        steps = features.shape[1]
        context, state = self._context(features, known[:, :-1], state, rows)
        notes, before = known[:, -steps:], known[:, -steps - 1 : -1]
        fullest, _ = _fullest(known[:, :-1], steps)
        lower = [_picked(part, rows) for part in self._lower(notes, before, fullest)]
        hidden = self._drop(self._hidden(context, lower), self.dropout)
        played, past = (_picked(each[..., None], rows)[..., 0] for each in (notes, before))
        return self._decided(self._logits(hidden), played, past), state

    def _decided(self, logits: Tensor, notes: Tensor, before: Tensor) -> Tensor:
        """Compute log-probabilities of what keys do: [..., 1 or 2] and [...] twice to [...]."""
        sounds = functional.logsigmoid(logits[..., 0] * (2 * notes.abs() - 1))
        if not self.lengths:
            return sounds
        sounded = before != 0
        again = functional.logsigmoid(logits[..., 1] * notes)
        nats = sounds + torch.where(sounded & (notes != 0), again, 0)
        return nats.masked_fill((notes < 0) & ~sounded, -torch.inf)

    def _draw(
        self, context: Tensor, before: Tensor, fullest: Tensor, uniforms: Tensor, temperature: float
    ) -> Tensor:
        """Draw one note after another.

        Parameters
        ----------
        context, before, fullest
            As for `_draws`.
        uniforms : Tensor[..., N, K]
            For one or several draws in each context.
        temperature : float

        Returns
        -------
        Tensor[..., N, K]
        """
        logits = self._draws(context, before, fullest)
        flat = uniforms.flatten(0, -2)
        silence = torch.zeros_like(flat, dtype=context.dtype)
        return ascending.draw_notes(logits, silence, flat, temperature).view(uniforms.shape)

    def _draws(
        self, context: Tensor, before: Tensor, fullest: Tensor, given: Given | None = None
    ) -> Callable[[Tensor, Tensor, int, Tensor], Tensor]:
        """Prepare the logits of draws, for `ascending.draw_notes`.

        Parameters
        ----------
        context : Tensor[N, K, H]
        before : Tensor[N, K]
            The notes of the steps before.
        fullest : Tensor[N, K]
            From `_fullest`.
        given : Given, optional
            Keys above the next one that has to sound are not computed. The logits of these are of
            no use, but together as probable as they would be.

        Returns
        -------
        callable
            Row i is a draw in the context i modulo N. The logits are log-probabilities.
        """
        place = torch.arange(self.keys, device=context.device)
        # Cumulative sums are a matrix product: cumsum of floats is not deterministic on CUDA.
        lower = torch.ones(self.keys, self.keys, device=context.device).triu()

        def deciding(where: Tensor, drawn: Tensor, last: Tensor | None = None) -> Tensor:
            above, until = 0, self.keys
            if last is not None:
                above = int(last.min())
                if given is not None:
                    until = min(int(given.next_needed(last).max()) + 1, until)
            left = slice(above, until)
            below = (
                each[..., left, :] for each in self._lower(drawn, before[where], fullest[where])
            )
            hidden = self._hidden(context[where, left], list(below))
            return functional.pad(self._logits(hidden), (0, 0, above, self.keys - until))

        contexts = torch.arange(len(context), device=context.device).split(CACHED)
        nothing = torch.zeros_like(before[:CACHED])
        lowest = torch.zeros(len(nothing), dtype=torch.int64, device=context.device)
        first = torch.cat([
            deciding(part, nothing[: len(part)], lowest[: len(part)]) for part in contexts
        ])  # fmt: skip

        def logits(drawn: Tensor, last: Tensor, number: int, rows: Tensor) -> Tensor:
            where = rows % len(context)
            if not number:
                # Nothing has been drawn, so all draws in a context begin with equal logits.
                found = first[where]
            elif given is None and len(rows) <= ascending.FEW:
                found = deciding(where, drawn)
            else:
                # Keys up to the last are decided; rows go on together that have as many left.
                order = last.argsort()
                parts = [
                    deciding(where[part], drawn[part], last[part])
                    for part in order.split(CACHED if given is None else GIVEN)
                ]
                found = torch.empty_like(first[where]).index_copy(0, order, torch.cat(parts))
            decided, past = place < last[:, None], before[where]
            silent = functional.logsigmoid(-found[..., 0]).masked_fill(decided, 0)
            none_below = silent @ lower.to(silent)
            states = [torch.ones_like(past)] + ([-torch.ones_like(past)] if self.lengths else [])
            every = [
                self._decided(found, state, past).masked_fill(decided, -torch.inf)
                + functional.pad(none_below, (1, -1))
                for state in states
            ]
            return torch.cat([*every, none_below[:, -1:]], -1)

        return logits

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
            Codes of each key's surroundings, with one or two bits for each key in them.
        """
        begun = ((notes != 0).any(-1).cumsum(1) > 0) | heard[:, None]
        struck, held = self.codes
        whole = ((notes > 0) * struck + (notes < 0) * held).sum(-1, keepdim=True)
        codes = whole, self._voices(notes)
        unknown = ~begun[..., None]
        return tuple(code.masked_fill(unknown, matches.UNKNOWN) for code in codes)

    def _voices(self, notes: Tensor) -> Tensor:
        """Compute codes of each key's surroundings: Tensor[..., K] to the same of int32."""
        planes = [notes > 0, notes < 0] if self.lengths else [notes > 0]
        near = torch.cat([self._around(one.int(), self.match_radius) for one in planes], -1)
        bits = torch.arange(near.shape[-1], dtype=torch.int32, device=near.device)
        return (near << bits).sum(-1, dtype=torch.int32)

    def _context(
        self, features: Tensor, heard: Tensor, state: State, rows: Rows
    ) -> tuple[Tensor, State]:
        """Compute what some keys know before any key decides.

        Parameters
        ----------
        features : Tensor[B, T, F]
        heard : Tensor[B, C + T - 1, K]
            The C steps before them, and all but the last of the T steps.
        state : State
        rows : Rows
            Which keys.

        Returns
        -------
        context : Tensor[N, T, H]
        state : State
        """
        steps = features.shape[1]
        before = heard[:, -steps:]
        found, state = self._follow(before, state)
        pieces, keys = rows
        seen = self._seen(before)
        if self.lengths:
            fullest, ago = _fullest(heard, steps)
            both = fullest.sum(-1), ago.to(heard.dtype).log1p()
            seen += [each[..., None, None].expand(*before.shape, 1) / MANY for each in both]
        if found:
            now = torch.arange(heard.shape[1] - steps + 1, heard.shape[1] + 1, device=heard.device)
            seen += self._matched(heard, now[:, None], *found)
        parts = [_picked(part, rows) for part in seen]
        final, shift = state.piece[pieces].unbind(-1)
        original = self._original(keys, shift)
        degree = (keys + (0 if self.ring else LOWEST) - final) % CLASSES
        known = (final != UNKNOWN)[:, None].to(heard.dtype)
        about = self.name(original), functional.one_hot(degree, CLASSES) * known
        parts += [each[:, None].expand(-1, steps, -1) for each in about]
        parts.append(self.told(features)[pieces])
        inputs = self._drop(torch.cat(parts, -1), self.input_dropout)
        lasting, cells = recurrent.run(self.along_time, [inputs], state.cells)
        lasting = self._drop(lasting, self.dropout)
        context = self.lasting(lasting) + self.remembered(features)[pieces]
        function = self._function(features)[pieces, degree] * known[..., None]
        for more in (self.compass(original)[:, None], function):
            context = context + more.to(context.dtype)
        return context, state._replace(cells=cells)

    def _function(self, features: Tensor) -> Tensor:
        """Compute what each degree, counted from the final, is for: Tensor[B, 12, T, H].

        The final itself, for instance, where the piece ends.
        """
        place = functional.pad(self.place(features).tanh(), (0, 1), value=1.0)
        return self.degree(place).unflatten(-1, (CLASSES, -1)).transpose(1, 2)

    def _original(self, keys: Tensor, shift: Tensor) -> Tensor:
        """Undo the transposition of keys. Those that come from outside count as the outermost."""
        if self.ring:
            return (keys - shift) % CLASSES
        return (keys - shift).clamp(0, self.keys - 1)

    def _seen(self, before: Tensor) -> list[Tensor]:
        """Look at the previous step from each key: tensors [B, T, K, any]."""
        sounds = before.abs()
        seen = [self._around(sounds, self.radius), _classes(sounds), self._counted(sounds)]
        if not self.ring:
            seen += _edges(sounds)
        if self.lengths:
            struck = before.relu()
            seen += [self._around(struck, CLASSES), self._counted(struck)]
        return seen

    def _counted(self, notes: Tensor) -> Tensor:
        return notes.sum(-1)[..., None, None].expand(*notes.shape, 1) / MANY

    def _matched(
        self, heard: Tensor, now: Tensor, whole: matches.Match, voices: matches.Match
    ) -> list[Tensor]:
        """Look at what came at the matches: tensors [B, T, K, any]."""
        dtype = heard.dtype
        came, own = _came(heard, now, whole), _came(heard, now, voices)
        length = whole.length.to(dtype).log1p()[..., None].expand(*own.shape, 1)
        seen = [
            self._around(came.abs(), CLASSES),
            length,
            own.abs()[..., None],
            voices.length.to(dtype).log1p()[..., None],
        ]
        if self.lengths:
            seen += [came.relu()[..., None], own.relu()[..., None]]
        return seen

    def _lower(self, notes: Tensor, before: Tensor, fullest: Tensor) -> list[Tensor]:
        """Look at what the keys below each key do, and at what is left to do.

        Parameters
        ----------
        notes, before : Tensor[..., K]
            The notes of a step, and of the step before it.
        fullest : Tensor[..., K]
            From `_fullest`.

        Returns
        -------
        list of Tensor[..., K, any]
            With lengths, the last two contain intervals; see `_leading` and `_parallel`.
        """
        sounds = notes.abs()
        below = [_near(sounds, self.radius), _classes_below(sounds), _count_below(sounds) / MANY]
        if not self.ring:
            below.append(_above_lowest(sounds))
        if self.lengths:
            struck, sounded = notes.relu(), before.abs()
            sources = _by_voice(sounded)
            left = sounded.sum(-1)[..., None, None] - _count_below(sounded) - sounded[..., None]
            below += [
                _near(struck, self.radius),
                _count_below(struck) / MANY,
                _count_below(sounded) / MANY,
                left / MANY,
                (fullest.sum(-1)[..., None, None] - _count_below(sounds)) / MANY,
                sounded[..., None],
                before.relu()[..., None],
                _leading(sounds, sources, _by_voice(fullest)),
                _parallel(sounds, sources),
            ]
        return below

    def _hidden(self, context: Tensor, lower: list[Tensor]) -> Tensor:
        """Combine what a key knows of the past and of the keys below it: Tensor[..., H]."""
        if self.lengths:
            *lower, intervals, parallel = lower
            codes = functional.one_hot(intervals, INTERVAL + 1)[..., 1:].flatten(-2)
            kept = functional.one_hot(parallel, CLASSES + 1)[..., 1:].sum(-2)
            lower += [codes.to(context.dtype), kept.to(context.dtype)]
        return functional.silu(context + self.lower(torch.cat(lower, -1)))

    def _logits(self, hidden: Tensor) -> Tensor:
        """Compute logits, at least float32: Tensor[..., H] to Tensor[..., 1 or 2].

        The first is that of sounding, the second that of being struck again.
        """
        hidden = hidden + functional.silu(self.deeper(hidden))
        return wide(self.sounds(hidden))

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


def _picked(values: Tensor, rows: Rows) -> Tensor:
    """Pick the values of some keys: Tensor[B, T, K, any] to Tensor[N, T, any]."""
    by_key = values.transpose(1, 2)
    if len(rows[0]) == by_key[:, :, 0, 0].numel():
        return by_key.flatten(0, 1)
    return by_key[rows]


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


def _near(notes: Tensor, width: int) -> Tensor:
    """Look up the nearest keys below each key: Tensor[..., K] to Tensor[..., K, width]."""
    return functional.pad(notes, (width, -1)).unfold(-1, width, 1)


def _classes_below(notes: Tensor) -> Tensor:
    """Count keys below each key by interval, modulo octaves: Tensor[..., K] to [..., K, 12]."""
    # Integers, since cumsum of floats is not deterministic on CUDA
    octaves = _octaves(notes.int()).cumsum(-2).flatten(-2)[..., : notes.shape[-1] - 1]
    return functional.pad(octaves.to(notes.dtype), (CLASSES, 0)).unfold(-1, CLASSES, 1)


def _count_below(notes: Tensor) -> Tensor:
    """Count the keys below each key: Tensor[..., K] to Tensor[..., K, 1]."""
    sounds = notes.int()
    return (sounds.cumsum(-1) - sounds)[..., None].to(notes.dtype)


def _above_lowest(notes: Tensor) -> Tensor:
    """Measure how far above the lowest note each key is; zeros where nothing is below it.

    Tensor[..., K] to Tensor[..., K, 13]: the interval modulo octaves, and the distance in octaves.
    """
    keys = torch.arange(notes.shape[-1], device=notes.device)
    distance = (keys - notes.argmax(-1, keepdim=True)) * notes.any(-1, keepdim=True)
    return _distance(distance).to(notes.dtype) * (distance > 0)[..., None]


def _fullest(heard: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Find the fullest chord of the steps before each of the next steps.

    Parameters
    ----------
    heard : Tensor[B, C + T - 1, K]
    steps : int
        T.

    Returns
    -------
    fullest : Tensor[B, T, K]
        1 where a key sounded.
    ago : Tensor[B, T] of int64
        How long before the last step that was.
    """
    counts = heard.abs().sum(-1)
    short = max(0, LATELY + steps - 1 - counts.shape[1])
    lately = functional.pad(counts, (short, 0)).unfold(1, LATELY, 1)[:, -steps:]
    ago = lately.flip(-1).argmax(-1)  # backwards in time, so the last of several
    last = torch.arange(heard.shape[1] - steps, heard.shape[1], device=heard.device)
    place = (last - ago)[..., None].expand(-1, -1, heard.shape[2])
    return heard.gather(1, place).abs(), ago


def _leading(notes: Tensor, sources: Tensor, fullest: Tensor) -> Tensor:
    """Compare each key with where its voice was, if it were the next note from below.

    Voices are counted from the lowest. The number of a voice tells from which note of the step
    before it comes, unless voices begin, end or share a key. Then, the fullest chord tells better.

    Parameters
    ----------
    notes : Tensor[..., K]
        1 where a key sounds at a step.
    sources, fullest : Tensor[..., K + 2]
        The step before it and the fullest chord; see `_by_voice`.

    Returns
    -------
    Tensor[..., K, 6] of int64
        The intervals from where the voice below it, the voice itself and the voice above it were;
        that from the lowest voice to this one, modulo octaves, before; that of the lowest voice
        from where it was; and that from where the voice was in the fullest chord. 0 if it is
        unknown, otherwise 1 to 25: 13 is a unison, and intervals of more than an octave count as an
        octave.
    """
    keys = torch.arange(notes.shape[-1], device=notes.device)
    number = _count_below(notes)[..., 0].long()
    below, own, above = (sources.gather(-1, (number + i) % sources.shape[-1]) for i in (-1, 0, 1))
    lowest = sources[..., :1].expand_as(own)
    bass = torch.where(number > 0, notes.argmax(-1, keepdim=True), keys)
    past = torch.where(own == NOWHERE, own, lowest + (own - lowest) % CLASSES)
    long_ago = fullest.gather(-1, number)
    to_own = ((keys, source) for source in (below, own, above))
    pairs = *to_own, (past, lowest), (bass, lowest), (keys, long_ago)
    return torch.stack([_interval(*pair) for pair in pairs], -1)


def _parallel(notes: Tensor, sources: Tensor) -> Tensor:
    """Find the intervals that each key would keep in parallel motion, if it were the next note.

    Parameters
    ----------
    notes, sources : Tensor
        As for `_leading`.

    Returns
    -------
    Tensor[..., K, 4] of int64
        For each of the four lowest voices: if it is below the key and has moved by as many
        semitones as the key's voice would, 1 plus their interval modulo octaves; otherwise 0.
    """
    keys = torch.arange(notes.shape[-1], device=notes.device)
    now = _by_voice(notes)
    number = _count_below(notes)[..., 0].long()
    own = sources.gather(-1, number)
    move = torch.where(own == NOWHERE, 0, keys - own)
    found = []
    for voice in range(min(LOWER, len(keys))):
        key, source = now[..., voice, None], sources[..., voice, None]
        same = (key - source == move) & (move != 0) & (voice < number)
        found.append(((keys - key) % CLASSES + 1) * same)
    return torch.stack(found, -1)


def _by_voice(notes: Tensor) -> Tensor:
    """List the keys that sound, from the lowest on, and `NOWHERE` after them: [..., K + 2]."""
    keys = torch.arange(notes.shape[-1], device=notes.device)
    place = torch.where(notes > 0, notes.int().cumsum(-1) - 1, len(keys) + 1).long()
    found = place.new_full((*place.shape[:-1], len(keys) + 2), NOWHERE)
    found = found.scatter(-1, place, keys.expand_as(place))
    found[..., -2:] = NOWHERE
    return found


def _interval(key: Tensor, source: Tensor) -> Tensor:
    """Number the intervals from a key to another: 1 to 25; 0 if one of them is nowhere."""
    known = (source != NOWHERE) & (key != NOWHERE)
    return ((key - source).clamp(-CLASSES, CLASSES) + CLASSES + 1) * known


def _edges(notes: Tensor) -> list[Tensor]:
    """Measure the distances of each key from the lowest and the highest note.

    Two tensors [..., K, 13], as `_above_lowest` but with negative distances; zeros in silence.
    """
    keys = torch.arange(notes.shape[-1], device=notes.device)
    sounds = notes.any(-1, keepdim=True)[..., None]
    lowest = notes.argmax(-1, keepdim=True)
    highest = notes.shape[-1] - 1 - notes.flip(-1).argmax(-1, keepdim=True)
    distances = keys - lowest, highest - keys
    return [_distance(distance).to(notes.dtype) * sounds for distance in distances]


def _distance(semitones: Tensor) -> Tensor:
    """Describe distances: Tensor[..., 13], the interval modulo octaves, and the octaves."""
    parts = functional.one_hot(semitones % CLASSES, CLASSES), semitones[..., None] / CLASSES
    return torch.cat(parts, -1)


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
