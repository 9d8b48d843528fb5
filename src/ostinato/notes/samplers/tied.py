"""Tied: the same small network at every key, so that what it learns of one holds for all.

Along time each key has an LSTM that sees what the step before played around it; along the keys,
from the lowest to the highest, each decides whether it sounds, knowing what was decided below. All
keys share their weights, so music counts by its intervals and not by where on the keyboard it
stands: the tied parallel networks of Johnson (2017, "Generating polyphonic music using tied
parallel networks"). Each key also sees where the music was before as it is now, and what came next:
the match of the whole step and, since voices repeat one by one, that of its own surroundings. The
likelihood is exact. If wanted, a gate comes first that may copy a whole step in place of deciding,
so that music which is composed repeats, too.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.parts import ascending, copying, matches
from ostinato.notes.parts.copying import Copying

ROWS = 2**18
"""Keys times steps that are in memory at once, unless one step has more or a gradient is wanted."""

NAMES, TOLD = 8, 16
"""Numbers that tell keys apart, and those by which the memory tells each LSTM about the step."""

MANY = 4
"""Divides numbers of keys, so that they are about as large as other inputs."""

SELDOM = -3.0
"""Logit of sounding before anything is learnt."""


class Params(Schema):
    """Sizes of the tied sampler.

    Attributes
    ----------
    cells : int
        Cells of the LSTM along time.
    hidden : int
        Width of the network along the keys.
    around : int
        Semitones that a key sees to both sides.
    reach : int
        Steps back that are searched for matches; 0: none are.
    voice : int
        Semitones to both sides that have to repeat in a match of a key's surroundings.
    dropout, input_dropout : float
        Share of the LSTM's outputs and of the network, and of the LSTM's inputs, that is left out
        in training.
    copies : list of int
        Steps back that the gate may copy; none: there is no gate.
    gate : int
        Width of the gate's network.
    """

    cells: Positive
    hidden: Positive
    around: Annotated[int, Field(ge=1, le=87)]
    reach: Annotated[int, Field(ge=0)]
    voice: Annotated[int, Field(ge=0, le=15)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    input_dropout: Annotated[float, Field(ge=0, lt=1)]
    copies: list[Positive]
    gate: Positive


class State(NamedTuple):
    """What the sampler keeps between calls.

    Attributes
    ----------
    past : Tensor[B, R, K]
        The steps before the next one, at least one.
    whole, voices : matches.State or None
        Of whole steps, and of each key's surroundings.
    cells : recurrent.State
        Of the LSTM, for B times K keys.
    copying : copying.State or None
    """

    past: Tensor
    whole: matches.State | None
    voices: matches.State | None
    cells: recurrent.State
    copying: copying.State | None


class Sampler(nn.Module):
    """The tied sampler.

    Parameters
    ----------
    features : int
        F, numbers a step from the memory.
    keys : int
        K, keys a step; 12 are taken for pitch classes.
    params : Params
        Sizes.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each key, and one for the gate.
    reach : int
        Steps before a sequence that it wants to know.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    exact = True

    def __init__(self, features: int, keys: int, params: Params):
        super().__init__()
        self.keys = self.draws = keys
        self.ring = keys == CLASSES
        self.around = min(params.around, keys - 1)
        self.voice = min(params.voice, (keys - 1) // 2)
        self.searched = params.reach
        self.reach = params.reach + matches.LONGEST if params.reach else 1
        seen = _seen(keys, self.around)
        matched = _seen(keys, CLASSES) + 3 if params.reach else 0
        self.name = nn.Embedding(keys, NAMES)
        self.told = nn.Linear(features, TOLD)
        inputs = seen + CLASSES + 1 + NAMES + TOLD + matched
        self.along_time = nn.LSTM(inputs, params.cells, batch_first=True)
        self.remembered = nn.Linear(features, params.hidden)
        self.lasting = nn.Linear(params.cells, params.hidden)
        self.lower = nn.Linear(self.around + CLASSES + 1, params.hidden, bias=False)
        self.deeper = nn.Linear(params.hidden, params.hidden)
        self.sounds = nn.Linear(params.hidden, 1)
        self.dropout, self.input_dropout = params.dropout, params.input_dropout
        nn.init.constant_(self.sounds.bias, SELDOM)
        self.copying = None
        if params.copies:
            self.copying = Copying(features, params.copies, keys, params.gate)
            self.draws += 1
            # So that it can tell for how long the longest lag has been repeating.
            self.reach = max(self.reach, 2 * max(params.copies))
        # A step's code is the sum of its keys' numbers (Zobrist, 1970).
        numbers = torch.Generator().manual_seed(keys)
        code = torch.randint(-(2**62), 2**62, (keys,), generator=numbers)
        self.register_buffer("code", code, persistent=False)

    def initial(self, past: Tensor) -> State:
        """Make the state at the beginning of a sequence.

        Parameters
        ----------
        past : Tensor[B, P, K]
            What was played before it.
        """
        length = max(self.searched, 1)
        short = max(length - past.shape[1], 0)
        known = functional.pad(past, (0, 0, short, 0))[:, -length:]
        zero = past.new_zeros(1, len(past) * self.keys, self.along_time.hidden_size)
        copied = self.copying.initial(past) if self.copying else None
        if not self.searched:
            return State(known, None, None, (zero, zero), copied)
        codes = self._codes(past, past.new_zeros(len(past), dtype=torch.bool))
        whole, voices = (matches.initial(code, self.searched) for code in codes)
        return State(known, whole, voices, (zero, zero), copied)

    def possible(self, notes: Tensor) -> Tensor:
        """Mark the steps that can be drawn: all; as for `ostinato.notes.samplers.banning`."""
        return torch.ones_like(notes[..., 0])

    def loss(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the negative log-probability; as for `ostinato.notes.samplers.banning`."""
        log_prob, state = self.log_prob(features, notes, state, uniforms)
        return -log_prob, state

    def log_prob(
        self, features: Tensor, notes: Tensor, state: State, uniforms: Tensor
    ) -> tuple[Tensor, State]:
        """Compute the log-probability of notes, exactly.

        Parameters
        ----------
        features : Tensor[B, T, F]
        notes : Tensor[B, T, K]
            The true notes, 0 or 1.
        state : State
        uniforms
            Not used.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        steps = max(1, notes.shape[1] if torch.is_grad_enabled() else ROWS // notes[:, 0].numel())
        nats, copied = [], state.copying
        for told, struck in zip(features.split(steps, 1), notes.split(steps, 1), strict=True):
            known = torch.cat([state.past, struck], 1)
            found, heard = self._follow(struck, state)
            context, cells = self._context(told, known, found, state.cells)
            state = State(known[:, struck.shape[1] :], *heard, cells, copied)
            hidden = self._hidden(context, *_below(struck, self.around))
            logits = self._logits(self._drop(hidden, self.dropout))
            nats.append(functional.logsigmoid(logits * (2 * struck - 1)).sum(-1))
        log_prob = torch.cat(nats, 1)
        if self.copying:
            log_prob, copied = self.copying.log_prob(features, notes, log_prob, copied)
        return log_prob, state._replace(copying=copied)

    def sample(
        self, features: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the notes of some steps.

        Parameters
        ----------
        features : Tensor[B, T, F]
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1).
        temperature : float
            Of the gate, and of which key is the next to sound, or none: to sharpen every key's own
            decision would bring silence, as few keys are likelier to sound than not.

        Returns
        -------
        notes : Tensor[B, T, K]
            1 where a note sounds.
        state : State
        """
        drawn = []
        for step in range(features.shape[1]):
            now = slice(step, step + 1)
            found = [matches.find(part) for part in (state.whole, state.voices) if part]
            context, cells = self._context(features[:, now], state.past, found, state.cells)
            by_key = uniforms[:, step, : self.keys]
            notes = self._draw(context[:, 0], by_key, temperature)[:, None]
            copied = None
            if self.copying:
                notes, copied = self.copying.sample(
                    features[:, now], notes, state.copying, uniforms[:, now, -1], temperature
                )
            _, heard = self._follow(notes, state)
            known = torch.cat([state.past[:, 1:], notes], 1)
            state = State(known, *heard, cells, copied)
            drawn.append(notes)
        return torch.cat(drawn, 1), state

    def _draw(self, context: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
        """Draw one note after another: Tensor[B, K, H] and Tensor[B, K] to Tensor[B, K]."""
        place = torch.arange(self.keys, device=context.device)

        def logits(drawn: Tensor, last: Tensor, _: int) -> Tensor:
            sounds = self._logits(self._hidden(context, *_below(drawn, self.around)))
            decided = place < last[:, None]
            this = functional.logsigmoid(sounds).masked_fill(decided, -torch.inf)
            none_below = functional.logsigmoid(-sounds).masked_fill(decided, 0).cumsum(-1)
            return functional.pad(this, (0, 1)) + functional.pad(none_below, (1, 0))

        silence = torch.zeros_like(context[..., 0])
        return ascending.draw_notes(logits, silence, uniforms, temperature)

    def _follow(self, notes: Tensor, state: State) -> tuple[list[matches.Match], list]:
        """Find the matches of steps and hear them.

        Parameters
        ----------
        notes : Tensor[B, T, K]
        state : State

        Returns
        -------
        list of matches.Match
            Of whole steps and of voices; none if none are searched.
        list of matches.State or None
            After the steps.
        """
        if not self.searched:
            return [], [None, None]
        heard = (state.whole.codes != matches.UNKNOWN).any((1, 2))
        codes = self._codes(notes, heard)
        before = state.whole, state.voices
        found = [matches.follow(*each) for each in zip(codes, before, strict=True)]
        return [match for match, _ in found], [after for _, after in found]

    def _codes(self, notes: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Number steps so that equal ones have equal numbers.

        Parameters
        ----------
        notes : Tensor[B, T, K]
        heard : Tensor[B] of bool
            Whether there was a note before them; if not, steps before the first are unknown.

        Returns
        -------
        whole : Tensor[B, T, 1] of int64
        voices : Tensor[B, T, K] of int32
            Of each key's surroundings, a bit for each key.
        """
        sounds = notes > 0
        begun = (sounds.any(-1).cumsum(1) > 0) | heard[:, None]
        whole = (sounds * self.code).sum(-1, keepdim=True)
        near = self._around(sounds.int(), self.voice)
        bits = torch.arange(near.shape[-1], dtype=torch.int32, device=near.device)
        voices = (near << bits).sum(-1, dtype=torch.int32)
        unknown = ~begun[..., None]
        return tuple(code.masked_fill(unknown, matches.UNKNOWN) for code in (whole, voices))

    def _context(
        self, features: Tensor, known: Tensor, found: list[matches.Match], cells: recurrent.State
    ) -> tuple[Tensor, recurrent.State]:
        """Compute what each key knows before the first decides.

        Parameters
        ----------
        features : Tensor[B, T, F]
        known : Tensor[B, R + T - 1 or more, K]
            The steps before each.
        found : list of matches.Match
            Of the T steps.
        cells : recurrent.State

        Returns
        -------
        Tensor[B, T, K, H]
        recurrent.State
        """
        batch, steps = features.shape[:2]
        first = max(self.searched, 1)
        before = known[:, first - 1 : first - 1 + steps]
        shape = (batch, steps, self.keys)
        seen = [
            self._around(before, self.around),
            _classes(before),
            before.sum(-1)[..., None, None].expand(*shape, 1) / MANY,
            self.name.weight.expand(*shape, NAMES),
            self.told(features)[:, :, None].expand(*shape, TOLD),
        ]
        if found:
            now = torch.arange(first, first + steps, device=known.device)[:, None]
            (whole, length), (voices, lengths) = (
                (_came(known, now, match), match.length.to(known.dtype).log1p()) for match in found
            )
            seen += [
                self._around(whole, CLASSES),
                length[..., None].expand(*shape, 1),
                voices[..., None],
                lengths[..., None],
            ]
        rows = torch.cat(seen, -1).transpose(1, 2).flatten(0, 1)
        rows = self._drop(rows, self.input_dropout)
        lasting, cells = recurrent.run(self.along_time, [rows], cells)
        lasting = self._drop(lasting, self.dropout)
        lasting = lasting.unflatten(0, (batch, self.keys)).transpose(1, 2)
        return self.lasting(lasting) + self.remembered(features)[:, :, None], cells

    def _hidden(self, context: Tensor, near: Tensor, classes: Tensor, count: Tensor) -> Tensor:
        """Join what a key knows of the past and of the keys below.

        Parameters
        ----------
        context : Tensor[..., H]
        near : Tensor[..., around]
            What sounds of the keys next to it.
        classes : Tensor[..., 12]
            How many keys sound, of each interval but for octaves.
        count : Tensor[..., 1]
            How many keys sound.

        Returns
        -------
        Tensor[..., H]
        """
        lower = self.lower(torch.cat([near, classes, count / MANY], -1))
        return functional.silu(context + lower)

    def _logits(self, hidden: Tensor) -> Tensor:
        """Compute logits of sounding, at least float32: Tensor[..., H] to Tensor[...]."""
        hidden = hidden + functional.silu(self.deeper(hidden))
        logits = self.sounds(hidden)[..., 0]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Leave numbers out, the same at all steps (Gal and Ghahramani, 2016, arXiv:1512.05287).

        Tensor[any, T, ...] to the same.
        """
        if not (self.training and share):
            return values
        mask = torch.empty_like(values[:, :1]).bernoulli_(1 - share)
        return values * mask.div_(1 - share)

    def _around(self, values: Tensor, width: int) -> Tensor:
        """See what lies around each key: Tensor[..., K] to Tensor[..., K, keys around it].

        Those of a ring are all pitch classes, from half an octave below on.
        """
        if self.ring:
            half = CLASSES // 2
            padded = torch.cat([values[..., -half:], values, values[..., : half - 1]], -1)
            return padded.unfold(-1, CLASSES, 1)
        return functional.pad(values, (width, width)).unfold(-1, 2 * width + 1, 1)


def _seen(keys: int, width: int) -> int:
    """Count the keys that `Sampler._around` shows."""
    return CLASSES if keys == CLASSES else 2 * width + 1


def _octaves(values: Tensor) -> Tensor:
    """Lay keys out by octaves: Tensor[..., K] to Tensor[..., octaves, 12]."""
    short = -values.shape[-1] % CLASSES
    return functional.pad(values, (0, short)).unflatten(-1, (-1, CLASSES))


def _classes(values: Tensor) -> Tensor:
    """Count each interval but for octaves from each key: Tensor[..., K] to Tensor[..., K, 12]."""
    counts = _octaves(values).sum(-2)
    keys = torch.arange(values.shape[-1], device=values.device)
    classes = torch.arange(CLASSES, device=values.device)
    return counts[..., (keys[:, None] + classes) % CLASSES]


def _below(notes: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """See what lies below each key.

    Parameters
    ----------
    notes : Tensor[..., K]
    width : int

    Returns
    -------
    near : Tensor[..., K, width]
        The keys next to it.
    classes : Tensor[..., K, 12]
        How many keys, of each interval but for octaves.
    count : Tensor[..., K, 1]
        How many keys.
    """
    keys = notes.shape[-1]
    near = functional.pad(notes, (width, -1)).unfold(-1, width, 1)
    sounds = notes.int()  # CUDA adds up floating-point numbers in any order
    octaves = _octaves(sounds).cumsum(-2).flatten(-2)[..., : keys - 1].to(notes.dtype)
    classes = functional.pad(octaves, (CLASSES, 0)).unfold(-1, CLASSES, 1)
    return near, classes, (sounds.cumsum(-1) - sounds)[..., None].to(notes.dtype)


def _came(known: Tensor, now: Tensor, match: matches.Match) -> Tensor:
    """Look up what came at matches, nothing where there is none.

    Parameters
    ----------
    known : Tensor[B, any, K]
    now : Tensor[T, 1] of int64
        Place of each step.
    match : matches.Match
        Tensor[B, T, 1 or K].

    Returns
    -------
    Tensor[B, T, K]
    """
    place = (now - match.lag).expand(*match.lag.shape[:2], known.shape[2])
    # A step without a match has a lag of 0, and that place may be behind the end.
    came = known.gather(1, place.clamp(max=known.shape[1] - 1))
    return came * (match.length > 0)
