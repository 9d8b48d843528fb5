"""Writing around what is given: sequential Monte Carlo over the steps of a piece.

Particles are pieces that are written step after step. At each step, what is not given is drawn, and
a particle's weight is multiplied by the probability of what is given. When few particles have most
of the weight, they are drawn anew in proportion to it (Gordon, Salmond and Smith 1993; systematic
resampling: Kitagawa 1996). At temperature 1, what is left is a sample of the pieces that contain
what is given, and the product of the mean weights an unbiased estimate of its probability.

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
MOST = 2**17
"""So many draws at once, at most, unless those of one piece are more; and so many for a piece when
hardly any fit."""
LIKELY = 0.5
"""If a final is likely, this share of the particles ends on it, and the others on any."""
FEWEST, MORE = 2.0, 4
"""With a smaller effective number of particles (or half of them, if that is less), hardly any fit
what is given; so many times as many are drawn then."""


class Written(NamedTuple):
    """Pieces that contain what is given.

    Attributes
    ----------
    notes : Tensor[G, S, K]
        1 where a key is struck, -1 where it is held.
    finals : Tensor[G] of int64
        The final of each, or UNKNOWN.
    evidence : Tensor[G]
        Estimates of the log-probability of what is given, in nats; minus infinity for a piece that
        could not go on.
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
    likely : int, optional
        See `write_around`.

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
        self,
        generator: Generator,
        positions: Tensor,
        pieces: int,
        particles: int,
        seed: int,
        likely: int | None = None,
    ):
        self._generator, self._seed = generator, seed
        device = positions.device
        finals, final = torch.arange(CLASSES, device=device), positions[:1, FINAL]
        if not generator.knows_final or final != UNKNOWN:
            finals = final
        plan = positions.repeat(len(finals), 1, 1)
        plan[..., FINAL] = finals[:, None]
        like = next(generator.parameters())
        silence = like.new_zeros(len(finals), generator.context_length, generator.keys)
        one = silence[:1], plan[:1]
        self._rows = Rows(lambda n: generator.initial(*(x.repeat(n, 1, 1) for x in one)))
        self.state = generator.initial(silence, plan)
        shares = torch.full((len(finals),), 1 / len(finals), dtype=torch.float64, device=device)
        # How much too seldom each was begun with, which counts in the end; of each past.
        self._late = torch.zeros_like(shares)
        if likely is not None and len(finals) > 1:
            twisted = LIKELY * (finals == likely) + (1 - LIKELY) * shares
            self._late, shares = (shares / twisted).log(), twisted
        places = torch.arange(particles, device=device)
        lots = torch.stack([self._lots((1,), "final", piece) for piece in range(pieces)])
        points = (places + lots.double().to(device)) / particles
        self.where = torch.searchsorted(shares.cumsum(0), points, right=True)
        self.where = self.where.clamp(max=len(finals) - 1)
        self.nats = torch.zeros(pieces, particles, dtype=torch.float64, device=device)
        # A final that is given is evidence, too.
        told = generator.knows_final and len(finals) == 1
        self.evidence = self.nats.new_full((pieces,), -math.log(CLASSES) if told else 0.0)
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
        every = list(range(len(self.where)))
        # Each final has its particles from the beginning.
        for step, now in enumerate((nats + price).double().unbind(1)):
            self.nats = self._weighed(self.nats + now[self.where], every)
            self._steps.append((same, heard[:, step]))
            yield _effective(self.nats)
        chosen, self.nats = self._chosen(self.nats, self.nats.shape[1], "heard", every)
        self._keep(self.where.gather(1, chosen), None)

    def draw(self, given: Given, temperature: float, patience: int = 1) -> Tensor:
        """Go on with a step of which something is given.

        Parameters
        ----------
        given : Given
        temperature : float
        patience : int
            See `write_around`.

        Returns
        -------
        Tensor[G]
            The effective number of particles.
        """
        pieces, particles = self.where.shape
        struck = (given.allowed[:, STRUCK] & (given.allowed.sum(1) == 1)).any()
        times, step = FORESIGHT if struck else 1, len(self._steps)
        most = min(times * patience, MOST // particles)
        before = self.nats.clone()
        where, effective = self.where.clone(), self.nats.new_zeros(pieces)
        found = self.nats.new_zeros(*where.shape, self._generator.keys, dtype=torch.int8)
        left: list[int] = list(range(pieces))
        again: list[int] = []
        while left:
            room = max(MOST // (particles * times), 1)
            some, left = left[:room], left[room:]
            tried = self.where[some].repeat_interleave(times, 1)
            shape, names = (tried.shape[1], self._generator.num_uniforms), ("step", step, times)
            lots = torch.cat([self._lots(shape, *names, piece) for piece in some])
            notes, nats, state = self._generator.step_given(
                self.state, given, tried.flatten(), lots.to(self.state.past), temperature
            )
            nats = (nats - given.price(notes)).view(tried.shape)
            nats = before[some].repeat_interleave(times, 1) + nats
            fit = _effective(nats)
            done = (fit >= fewest(particles)) | (times * MORE > most)
            kept = [piece for piece, enough in zip(some, done.tolist(), strict=True) if enough]
            again += [piece for piece in some if piece not in kept]
            if kept:
                nats = self._weighed(nats[done], kept)
                chosen, self.nats[kept] = self._chosen(nats, particles, "drawn", kept)
                where[kept] = tried[done].gather(1, chosen)
                notes = notes.view(*tried.shape, -1)[done].to(torch.int8)
                found[kept] = notes.gather(1, chosen[..., None].expand(-1, -1, notes.shape[2]))
                effective[kept] = fit[done]
            if not left:
                left, again, times = again, [], times * MORE
        self.state = state
        self._keep(where, found)
        return effective.clamp(max=particles)

    def _lots(self, shape: tuple[int, ...], *names: str | int) -> Tensor:
        return noise.uniforms(shape, self._seed, *names)

    def _weighed(self, nats: Tensor, pieces: Sequence[int]) -> Tensor:
        """Divide weights of some pieces by their means, which are evidence."""
        means = nats.logsumexp(1) - math.log(nats.shape[1])
        self.evidence[pieces] += means
        if self.evidence.isinf().all():
            raise NothingFits(len(self._steps))
        # Particles of a piece that cannot go on all count alike; it is left out in the end.
        return torch.where(means.isinf()[:, None], 0.0, nats - means[:, None])

    def _chosen(
        self, nats: Tensor, count: int, why: str, pieces: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Choose particles of some pieces.

        They are drawn in proportion to their weights, or stay if there are as many and few of them
        have little weight.

        Returns
        -------
        chosen : Tensor[len(pieces), count] of int64
        nats : Tensor[len(pieces), count]
            Their weights.
        """
        step = len(self._steps)
        stay = _effective(nats) >= LEAST * count
        if nats.shape[1] != count:
            stay = torch.zeros_like(stay)
        lots = torch.cat([self._lots((1, 1), why, step, piece) for piece in pieces])
        cumulative = nats.exp().cumsum(1)
        places = (torch.arange(count) + lots.double()).to(cumulative.device) / count
        points = places * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, points, right=True)
        chosen = chosen.clamp(max=cumulative.shape[1] - 1)
        same = torch.arange(count, device=chosen.device)
        kept = torch.where(stay[:, None], nats[:, :count], 0.0)
        return torch.where(stay[:, None], same, chosen), kept

    def _keep(self, where: Tensor, notes: Tensor | None) -> None:
        """Keep some pasts, Tensor[G, N], each followed by the notes of a step, Tensor[G, N, K]."""
        seen = where.flatten()[:, None]
        if notes is not None:
            seen = torch.cat([seen, notes.flatten(0, 1).long()], 1)
        pasts, self.where = torch.unique(seen, dim=0, return_inverse=True)
        self.where = self.where.view(where.shape)
        before, now = pasts[:, 0], pasts[:, 1:]
        self.state = self._rows(self.state, before)
        self._finals, self._late = self._finals[before], self._late[before]
        if notes is None:
            same, latest = self._steps[-1]
            self._steps[-1] = same[before], latest[before]
        else:
            now = now.to(self.state.past)
            self.state = self._generator.after(self.state, now)
            self._steps.append((before, now))

    def pieces(self) -> tuple[Tensor, Tensor]:
        """Draw a particle for each piece: its notes and its final, as `traced` returns them."""
        self.nats = self._weighed(self.nats + self._late[self.where], range(len(self.where)))
        chosen, _ = self._chosen(self.nats, 1, "last", range(len(self.where)))
        return self.traced(self.where.gather(1, chosen)[:, 0])

    def traced(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Trace pasts, Tensor[P] of int64, back to the beginning.

        Returns
        -------
        notes : Tensor[P, S, K]
        finals : Tensor[P] of int64
        """
        notes, finals = [], self._finals[past]
        for before, now in reversed(self._steps):
            notes.append(now[past])
            past = before[past]
        return torch.stack(notes[::-1], 1), finals


@torch.inference_mode()
def write_around(
    generator: Generator,
    given: Sequence[Given],
    positions: Tensor,
    pieces: int,
    particles: int,
    seed: int,
    temperature: float = 1.0,
    patience: int = 1,
    likely: int | None = None,
) -> Written:
    """Write pieces around what is given of them.

    Parameters
    ----------
    generator : Generator
        Trained; `Generator.takes_given` is true.
    given : sequence of Given
        Of each of S steps.
    positions : Tensor[S, 10] of int64
        Where these stand. If they have a final, pieces end on it; otherwise, it is drawn.
    pieces : int
        G. Each has its own particles, and its own random numbers.
    particles : int
        For each piece.
    seed : int
    temperature : float
        Of what is drawn. How well it goes with what is given is judged at temperature 1.
    patience : int
        Where hardly any particle fits, so many times as many are drawn, at most. Only with 1 is the
        estimate of the evidence exactly unbiased.
    likely : int, optional
        A final on which half of the particles end if it is not given, since it is likely. It
        counts no more than others in the end.

    Returns
    -------
    Written

    Raises
    ------
    NothingFits
        If no particle of any piece could go on.
    """
    swarm = Particles(generator, positions, pieces, particles, seed, likely)
    effective: list[Tensor] = []
    parts = _parts(given)
    for first, last in progress(parts, len(parts), "write"):
        if given[first].everything:
            effective += swarm.hear(torch.stack([_notes(each) for each in given[first:last]]))
        else:
            effective.append(swarm.draw(given[first], temperature, patience))
    notes, finals = swarm.pieces()
    return Written(notes, finals, swarm.evidence, torch.stack(effective, 1))


def fewest(particles: int) -> float:
    """The effective number below which hardly any of so many particles fit; see `FEWEST`."""
    return min(FEWEST, particles / 2)


def _effective(nats: Tensor) -> Tensor:
    """The effective number of particles, 1 / the sum of squared shares; 0 if none has any weight.

    Tensor[G, N] to Tensor[G].
    """
    largest = nats.amax(1, keepdim=True)
    weights = (nats - largest.masked_fill(largest.isinf(), 0.0)).exp()
    return weights.sum(1).square() / weights.square().sum(1).clamp_min(1.0)


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
