"""The slow form of the system A18: step by step and voice by voice, as its notebook was written.

The same weights, random numbers and mathematics as `ostinato.notes.generator.Generator` with the
memory ``history_user`` and the sampler ``banning`` (objective ``marginals``). It is the
baseline of the benchmarks, and a test holds both to the same loss and gradients.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.notes.data.fragments import Batch
from ostinato.notes.data.positions import STEP, Bars, Positions
from ostinato.notes.data.rolls import CLASS_OF_KEY
from ostinato.notes.generator import Generator
from ostinato.notes.parts.memory import clock

CONFIG = {
    "kind": "generator",
    "keys": 12,
    "representation": "onset",
    "steps_per_beat": 4,
    "metre": False,
    "memory": {
        "name": "history_user",
        "lags": [4, 8, 16, 32, 48, 64, 96, 128],
        "history_as_input": False,
        "local": 100,
        "read": 100,
        "aggregation": 130,
    },
    "sampler": {
        "name": "banning",
        "voices": 5,
        "hidden": 100,
        "shared": True,
        "objective": "marginals",
    },
    "repeating": None,
}
"""A18 with the sizes of its notebook."""

DECODER = {
    "kind": "lstm",
    "representation": "onset",
    "decoder": {"name": "lstm", "hidden": 100},
    "velocity": None,
}
"""Its decoder."""

SMALLEST = 1e-6

LSTMState = tuple[Tensor, Tensor]


class SlowGenerator(nn.Module):
    """A18, one LSTM cell at a time.

    Parameters
    ----------
    fast : Generator
        Its weights are shared, not copied.
    """

    def __init__(self, fast: Generator):
        super().__init__()
        memory, sampler = fast.memory, fast.sampler
        self.lags = memory.lags
        self.keys = fast.keys
        self.voices = fast.num_uniforms
        self.local = _cell(memory.local)
        self.read = _cell(memory.read)
        self.aggregation = _cell(memory.aggregation)
        self.voice = _cell(sampler.voices[0])
        self.weigh = memory.weigh
        self.outcomes = sampler.outcomes[0]

    def forward(self, batch: Batch, uniforms: Tensor) -> Tensor:
        """Compute the loss, as `Generator.forward` does."""
        size, steps = batch.mask.shape
        heard = torch.cat([batch.past, batch.notes], 1)
        time = clock(batch.positions[..., STEP], batch.notes.dtype)
        local, read, aggregation = (
            self._zero(cell, size) for cell in (self.local, self.read, self.aggregation)
        )
        voices = [self._zero(self.voice, size) for _ in range(self.voices)]
        total = count = batch.notes.new_zeros(())
        for step in range(steps):
            now = batch.past.shape[1] + step
            inputs = torch.cat([heard[:, now - 1], time[:, step]], 1)
            local = self.local(inputs, local)
            read = self.read(inputs, read)
            weights = self.weigh(read[0]).softmax(-1)
            past = torch.stack([heard[:, now - lag] for lag in self.lags], 1)
            recalled = (weights[..., None] * past).sum(1)
            aggregation = self.aggregation(torch.cat([local[0], recalled], 1), aggregation)
            true = batch.notes[:, step]
            loss = self._voices(aggregation[0], true, voices, uniforms[:, step])
            counted = batch.mask[:, step] * (true.sum(-1) <= self.voices)
            total, count = total + (loss * counted).sum(), count + counted.sum()
        return total / count

    def _voices(
        self, features: Tensor, true: Tensor, states: list[LSTMState], uniforms: Tensor
    ) -> Tensor:
        sounds, banned = torch.zeros_like(true), torch.zeros_like(true)
        p, b = torch.zeros_like(true), torch.zeros_like(true)
        for voice in range(self.voices):
            inputs = torch.cat([features, sounds, banned], 1)
            states[voice] = self.voice(inputs, states[voice])
            decided = (sounds + banned).repeat(1, 2) > 0
            logits = self.outcomes(states[voice][0]).masked_fill(decided, -torch.inf)
            probs = logits.softmax(-1)
            p = p + (1 - p) * probs[:, : self.keys]
            b = b + (1 - b) * probs[:, self.keys :]
            cumulative = probs.detach().cumsum(-1)
            point = uniforms[:, voice, None] * cumulative[:, -1:]
            key = (cumulative <= point).sum(-1) % self.keys
            chosen = functional.one_hot(key, self.keys).to(true.dtype)
            sounds = sounds + chosen * true
            banned = banned + chosen * (1 - true)
        sounding = (p * (1 - b)).clamp(SMALLEST, 1 - SMALLEST)
        return functional.binary_cross_entropy(sounding, true, reduction="none").sum(-1)

    @torch.no_grad()
    def compose(self, decoder: nn.Module, begun: Tensor, steps: int, uniforms: Tensor) -> Tensor:
        """Go on from the beginning of one piece, as `continue_keys` does at temperature 1.

        Parameters
        ----------
        decoder : nn.Module
            The decoder ``lstm``.
        begun : Tensor[S, 88]
            Onsets given.
        steps : int
            New steps.
        uniforms : Tensor[S + steps, num_uniforms of both]
            Random numbers in [0, 1).

        Returns
        -------
        Tensor[S + steps, 88]
        """
        decode = _cell(decoder.lstm)
        silence = begun.new_zeros(1, self.keys)
        heard = [silence] * max(self.lags)
        keys = [begun.new_zeros(1, begun.shape[1])]
        local, read, aggregation, octaves = (
            self._zero(cell, 1) for cell in (self.local, self.read, self.aggregation, decode)
        )
        voices = [self._zero(self.voice, 1) for _ in range(self.voices)]
        for step in range(len(begun) + steps):
            time = clock(torch.tensor([[step]]), begun.dtype)[:, 0]
            inputs = torch.cat([heard[-1], time], 1)
            local, read = self.local(inputs, local), self.read(inputs, read)
            weights = self.weigh(read[0]).softmax(-1)
            past = torch.stack([heard[-lag] for lag in self.lags], 1)
            recalled = (weights[..., None] * past).sum(1)
            aggregation = self.aggregation(torch.cat([local[0], recalled], 1), aggregation)
            given = begun[step : step + 1] if step < len(begun) else None
            true = None if given is None else decoder.classes(given)
            sounds, banned = torch.zeros_like(silence), torch.zeros_like(silence)
            for voice in range(self.voices):
                inputs = torch.cat([aggregation[0], sounds, banned], 1)
                voices[voice] = self.voice(inputs, voices[voice])
                decided = (sounds + banned).repeat(1, 2) > 0
                logits = self.outcomes(voices[voice][0]).masked_fill(decided, -torch.inf)
                cumulative = logits.softmax(-1).cumsum(-1)
                point = uniforms[step, voice] * cumulative[:, -1:]
                outcome = (cumulative <= point).sum(-1)
                key = outcome % self.keys
                chosen = functional.one_hot(key, self.keys).to(silence.dtype)
                sounding = (outcome < self.keys)[:, None] if true is None else chosen * true > 0
                sounds = sounds + chosen * sounding
                banned = banned + chosen * ~sounding
            classes = sounds if true is None else true
            octaves = decode(torch.cat([classes, keys[-1]], 1), octaves)
            if given is None:
                logits = decoder.keys(octaves[0])
                drawn = (uniforms[step : step + 1, self.voices :] < logits.sigmoid()).float()
                given = drawn * classes[:, CLASS_OF_KEY]
                for c in range(self.keys):
                    of_class = torch.from_numpy(c == CLASS_OF_KEY)
                    if classes[0, c] and not given[0, of_class].any():
                        best = logits[0].masked_fill(~of_class, -torch.inf).argmax()
                        given[0, best] = 1
            heard.append(classes)
            keys.append(given)
        return torch.cat(keys[1:])

    def _zero(self, cell: nn.LSTMCell, size: int) -> LSTMState:
        zero = cell.weight_hh.new_zeros(size, cell.hidden_size)
        return zero, zero


def _cell(lstm: nn.LSTM) -> nn.LSTMCell:
    """An LSTM cell with the weights of an LSTM layer."""
    cell = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(lstm, f"{name}_l0"))
    return cell


def random_batch(
    size: int, steps: int, generator: Generator, seed: int = 0
) -> tuple[Batch, Tensor]:
    """Make a batch of random notes, about as dense as chorales, and uniforms for it."""
    rng = torch.Generator().manual_seed(seed)
    notes = (
        torch.rand(size, generator.context_length + steps, generator.keys, generator=rng) < 0.08
    ).float()
    piece = Positions([Bars(0, 16, 4)], 32 * size + steps)
    batch = Batch(
        notes[:, : generator.context_length],
        notes[:, generator.context_length :],
        torch.ones(size, steps),
        torch.from_numpy(np.stack([piece(32 * row, steps) for row in range(size)])),
    )
    return batch, torch.rand(size, steps, generator.num_uniforms, generator=rng)
