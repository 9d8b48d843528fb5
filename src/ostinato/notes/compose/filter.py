"""Writing around what is given: sequential Monte Carlo over the steps of a piece.

Particles are pieces that are written step after step. At each step, what is not given is drawn, and
a particle's weight is multiplied by the probability of what is given. When few particles have most
of the weight, they are drawn anew in proportion to it (Gordon, Salmond and Smith 1993; systematic
resampling: Kitagawa 1996). What is left is a sample of the pieces that contain what is given, and
the product of the mean weights an unbiased estimate of the probability of what is given.

Particles with the same past are computed once. There are few of these, as most steps hold what
sounds, and resampling repeats particles.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.core import noise
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.notes.data.positions import FINAL, UNKNOWN
from ostinato.notes.data.rolls import CLASSES
from ostinato.notes.generator import Generator
from ostinato.notes.parts.given import HELD, STRUCK, Given
from ostinato.notes.parts.rows import Rows

LEAST = 0.5
"""Particles are drawn anew when the effective number of them falls below this share."""
KNOWN = 16
"""So many steps of which all is given are heard at a time."""
FORESIGHT = 8
"""So many times as many particles are drawn where a note is struck that is given, since only some
of the chords that are drawn below it fit it."""


class Written(NamedTuple):
    """Pieces that contain what is given.

    Attributes
    ----------
    notes : Tensor[G, S, K]
        1 where a key is struck, -1 where it is held.
    finals : Tensor[G] of int64
        The final of each, or UNKNOWN.
    evidence : Tensor[G]
        Estimates of the log-probability of what is given, in nats.
    effective : Tensor[G, S]
        The effective number of particles at each step.
    """

    notes: Tensor
    finals: Tensor
    evidence: Tensor
    effective: Tensor


class NothingFits(UserError):
    """No particle can go on.

    Attributes
    ----------
    step : int
        Where.
    """

    def __init__(self, step: int):
        super().__init__(f"nothing fits what is given at step {step}")
        self.step = step


class Particles:
    """Particles of several pieces, those with the same past as one.

    Parameters
    ----------
    generator : Generator
    positions : Tensor[S, 10] of int64
        Where the steps of each piece stand.
    pieces, particles : int
        G, and N for each piece.
    seed : int

    Attributes
    ----------
    where : Tensor[G, N] of int64
        The past of each particle, one of U.
    nats : Tensor[G, N]
        Logarithms of weights, whose mean is 1 in each piece.
    state : State
        Of the U pasts.
    evidence : Tensor[G]
        See `Written`.
    """

    def __init__(
        self, generator: Generator, positions: Tensor, pieces: int, particles: int, seed: int
    ):
        self._generator, self._seed = generator, seed
        device = positions.device
        finals = torch.arange(CLASSES, device=device)
        if not generator.knows_final:
            finals = torch.full_like(finals[:1], UNKNOWN)
        plan = positions.repeat(len(finals), 1, 1)
        plan[..., FINAL] = finals[:, None]
        like = next(generator.parameters())
        silence = like.new_zeros(len(finals), generator.context_length, generator.keys)
        one = silence[:1], plan[:1]
        self._rows = Rows(lambda n: generator.initial(*(x.repeat(n, 1, 1) for x in one)))
        self.state = generator.initial(silence, plan)
        places = torch.arange(particles, device=device)
        lots = torch.stack([self._lots((1,), "final", piece) for piece in range(pieces)])
        self.where = ((places + lots.to(device)) / particles * len(finals)).long()
        self.nats = torch.zeros(pieces, particles, dtype=torch.float64, device=device)
        self.evidence = self.nats.new_zeros(pieces)
        # For each step so far, the notes of each past, and which past of the step before it has.
        self._steps: list[tuple[Tensor, Tensor]] = []
        self._finals = finals

    def hear(self, notes: Tensor) -> Iterator[Tensor]:
        """Go on with steps that are given altogether.

        Parameters
        ----------
        notes : Tensor[T, K]

        Yields
        ------
        Tensor[G]
            The effective number of particles, at each step.
        """
        pasts = len(self.state.past)
        heard = notes.expand(pasts, -1, -1).to(self.state.past)
        unused = heard.new_zeros(*heard.shape[:2], self._generator.num_uniforms)
        price = self._generator.nats_of_final(self.state.positions[:, : len(notes)])
        nats, self.state = self._generator.log_prob(heard, self.state, unused)
        same = torch.arange(pasts, device=notes.device)
        # Each final has its particles from the beginning.
        for step, now in enumerate((nats + price).double().unbind(1)):
            self.nats = self.nats + now[self.where]
            effective = self._weigh()
            self._steps.append((same, heard[:, step]))
            yield effective
        chosen = self._chosen(self.nats.shape[1])
        self._keep(self.where.gather(1, chosen), None)

    def draw(self, given: Given, temperature: float) -> Tensor:
        """Go on with a step of which something is given.

        Parameters
        ----------
        given : Given
        temperature : float

        Returns
        -------
        Tensor[G]
            The effective number of particles.
        """
        pieces, particles = self.where.shape
        struck = (given.allowed[:, STRUCK] & (given.allowed.sum(1) == 1)).any()
        times = FORESIGHT if struck else 1
        step, where = len(self._steps), self.where.repeat_interleave(times, 1)
        shape = (where.shape[1], self._generator.num_uniforms)
        lots = torch.cat([self._lots(shape, "step", step, piece) for piece in range(pieces)])
        notes, nats, self.state = self._generator.step_given(
            self.state, given, where.flatten(), lots.to(self.state.past), temperature
        )
        self.nats = self.nats.repeat_interleave(times, 1) + nats.view(where.shape)
        found = self._weigh()
        notes = notes.view(*where.shape, -1)
        chosen = self._chosen(particles)
        notes = notes.gather(1, chosen[..., None].expand(-1, -1, notes.shape[2]))
        self._keep(where.gather(1, chosen), notes)
        return found.clamp(max=particles)

    def _lots(self, shape: tuple[int, ...], *names: str | int) -> Tensor:
        return noise.uniforms(shape, self._seed, *names)

    def _effective(self) -> Tensor:
        weights = self.nats.exp()
        return weights.sum(1).square() / weights.square().sum(1)

    def _weigh(self) -> Tensor:
        """Divide weights by their means, which are evidence; return the effective numbers."""
        means = self.nats.logsumexp(1) - math.log(self.nats.shape[1])
        if not means.isfinite().all():
            raise NothingFits(len(self._steps))
        self.evidence = self.evidence + means
        self.nats = self.nats - means[:, None]
        return self._effective()

    def _chosen(self, count: int) -> Tensor:
        """Choose particles: Tensor[G, count] of int64.

        They are drawn in proportion to their weights, or stay if there are as many and few of them
        have little weight.
        """
        pieces, step = len(self.nats), len(self._steps)
        stay = self._effective() >= LEAST * count
        if self.nats.shape[1] != count:
            stay = torch.zeros_like(stay)
        lots = torch.stack([self._lots((1,), "again", step, piece) for piece in range(pieces)])
        cumulative = self.nats.exp().cumsum(1)
        places = (torch.arange(count) + lots.double()).to(cumulative.device) / count
        points = places * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, points, right=True)
        chosen = chosen.clamp(max=cumulative.shape[1] - 1)
        same = torch.arange(count, device=chosen.device)
        self.nats = torch.where(stay[:, None], self.nats[:, :count], 0.0)
        return torch.where(stay[:, None], same, chosen)

    def _keep(self, where: Tensor, notes: Tensor | None) -> None:
        """Keep some pasts, Tensor[G, N], each followed by the notes of a step, Tensor[G, N, K]."""
        seen = where.flatten()[:, None]
        if notes is not None:
            seen = torch.cat([seen, notes.flatten(0, 1).long()], 1)
        pasts, self.where = torch.unique(seen, dim=0, return_inverse=True)
        self.where = self.where.view(where.shape)
        before, now = pasts[:, 0], pasts[:, 1:]
        self.state = self._rows(self.state, before)
        if notes is None:
            same, latest = self._steps[-1]
            self._steps[-1] = same[before], latest[before]
        else:
            now = now.to(self.state.past)
            self.state = self._generator.after(self.state, now)
            self._steps.append((before, now))

    def pieces(self) -> tuple[Tensor, Tensor]:
        """Draw a particle for each piece: its notes and its final, as `traced` returns them."""
        return self.traced(self.where.gather(1, self._chosen(1))[:, 0])

    def traced(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Trace pasts, Tensor[P] of int64, back to the beginning.

        Returns
        -------
        notes : Tensor[P, S, K]
        finals : Tensor[P] of int64
        """
        notes = []
        for before, now in reversed(self._steps):
            notes.append(now[past])
            past = before[past]
        return torch.stack(notes[::-1], 1), self._finals[past]


@torch.inference_mode()
def write_around(
    generator: Generator,
    given: Sequence[Given],
    positions: Tensor,
    pieces: int,
    particles: int,
    seed: int,
    temperature: float = 1.0,
) -> Written:
    """Write pieces around what is given of them.

    Parameters
    ----------
    generator : Generator
        Trained; `Generator.takes_given` is true.
    given : sequence of Given
        Of each of S steps.
    positions : Tensor[S, 10] of int64
        Where these stand, without a final.
    pieces : int
        G. Each has its own particles, and its own random numbers.
    particles : int
        For each piece.
    seed : int
    temperature : float
        Of what is drawn. How well it goes with what is given is judged at temperature 1.

    Returns
    -------
    Written

    Raises
    ------
    NothingFits
        If nothing that can be drawn contains what is given.
    """
    swarm = Particles(generator, positions, pieces, particles, seed)
    effective: list[Tensor] = []
    parts = _parts(given)
    for first, last in progress(parts, len(parts), "write"):
        if given[first].everything:
            effective += swarm.hear(torch.stack([_notes(each) for each in given[first:last]]))
        else:
            effective.append(swarm.draw(given[first], temperature))
    return Written(*swarm.pieces(), swarm.evidence, torch.stack(effective, 1))


def _parts(given: Sequence[Given]) -> list[tuple[int, int]]:
    """Divide steps into those of which all is given, some at a time, and others, one at a time."""
    parts: list[tuple[int, int]] = []
    for step, each in enumerate(given):
        first, last = parts[-1] if parts else (0, 0)
        more = each.everything and given[first].everything and last - first < KNOWN
        if parts and more:
            parts[-1] = first, step + 1
        else:
            parts.append((step, step + 1))
    return parts


def _notes(given: Given) -> Tensor:
    """The notes of a step of which all is given: Tensor[K] of int8."""
    return given.allowed[:, STRUCK].to(torch.int8) - given.allowed[:, HELD].to(torch.int8)
