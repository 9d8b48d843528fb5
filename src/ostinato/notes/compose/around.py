"""Writing the rest of a piece of which an outline is given."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices, noise
from ostinato.core.errors import UserError
from ostinato.core.progress import tell
from ostinato.notes.compose import voices
from ostinato.notes.compose.bands import by_height
from ostinato.notes.compose.compose import midi_velocities, notes_of
from ostinato.notes.compose.filter import FEWEST, NothingFits, Written, write_around
from ostinato.notes.compose.outline import Outline, Plan, place
from ostinato.notes.data import rolls
from ostinato.notes.data.positions import FINAL
from ostinato.notes.performer import VELOCITY
from ostinato.notes.system import System
from ostinato.scores.grid import with_swing
from ostinato.scores.score import TICKS_PER_BEAT, Part, Score, tidy, voices_of

PATIENCE = 64
"""Where hardly any particle fits what is given, so many times as many are drawn, at most."""
NAMES = "Soprano", "Alto", "Tenor", "Bass"
MOST_VOICES = 5
USUAL = 0.8
"""There are so many voices that this share of the steps has no more notes."""


@dataclass(frozen=True)
class Piece:
    """A piece around what was given.

    Attributes
    ----------
    score : Score
    given : ndarray[bool], shape [notes]
        Which of its notes were given.
    nats : float
        Its log-probability.
    evidence : float
        An estimate of the log-probability of what is given, in nats.
    """

    score: Score
    given: np.ndarray
    nats: float
    evidence: float


def sample(
    system: System,
    given: Outline,
    pieces: int = 1,
    particles: int = 64,
    temperature: float = 1.0,
    seed: int = 1,
) -> list[Piece]:
    """Write pieces around what is given.

    Parameters
    ----------
    system : System
        Trained. Its sampler has to be exact, to draw whole notes, and to know all keys.
    given : Outline
    pieces : int
    particles : int
        For each piece; see `ostinato.notes.compose.filter`.
    temperature : float
        Of new notes.
    seed : int

    Returns
    -------
    list of Piece
        The most probable first.

    Raises
    ------
    UserError
        If the system cannot do it, or if nothing fits.
    """
    check(system)
    plan, device = Plan(given, system.steps_per_beat), devices.device_of(system)
    steps = [each._replace(allowed=each.allowed.to(device)) for each in plan.given]
    positions = torch.from_numpy(plan.positions).to(device)
    try:
        written = write_around(
            system.generator,
            steps,
            positions,
            pieces,
            particles,
            seed,
            temperature,
            PATIENCE,
            given.likely,
        )
    except NothingFits as nothing:
        where = _where(given, nothing.step, system)
        raise UserError(f"{where}: nothing that the model can write fits what is given") from None
    _warn(written, given, system)
    nats = _nats(system, written, positions)
    if failed := int(written.evidence.isinf().sum()):
        tell(f"{failed} of {pieces} pieces could not go on, and are left out")
    order = nats.argsort(descending=True)
    order = order[~written.evidence[order].isinf()]
    return [
        Piece(
            *_score(system, given, plan, written.notes[i], seed), nats[i].item(),
            written.evidence[i].item(),
        )
        for i in order.tolist()
    ]  # fmt: skip


def check(system: System) -> None:
    """Raise UserError if a system cannot write around what is given."""
    if system.generator.takes_given and system.generator.keys == rolls.KEYS:
        return
    raise UserError(
        "this model cannot write around what is given: that takes whole notes "
        "(dataset.representation: notes), 88 keys, and a sampler whose probabilities are exact and "
        "that draws one note after another (generator.sampler: tied or ordered)"
    )


def _where(given: Outline, step: int, system: System) -> str:
    return place(given.song, step * TICKS_PER_BEAT // system.steps_per_beat)


def _warn(written: Written, given: Outline, system: System) -> None:
    """Say where hardly anything fitted."""
    least, step = written.effective.amin(0).min(0)
    if least < FEWEST:
        tell(
            f"{_where(given, int(step), system)}: what is given is unusual there; more particles "
            "find more that fits it"
        )


@torch.inference_mode()
def _nats(system: System, written: Written, positions: Tensor) -> Tensor:
    """Compute the log-probability of each piece: Tensor[G]."""
    generator, notes = system.generator, written.notes
    plan = positions.repeat(len(notes), 1, 1)
    plan[..., FINAL] = written.finals[:, None]
    silence = notes.new_zeros(len(notes), generator.context_length, generator.keys)
    unused = notes.new_zeros(*notes.shape[:2], generator.num_uniforms)
    return generator.log_prob(notes, generator.initial(silence, plan), unused)[0].sum(1)


def _score(
    system: System, given: Outline, plan: Plan, notes: Tensor, seed: int
) -> tuple[Score, np.ndarray]:
    """Put new notes, Tensor[S, K], into a score; also say which notes were given."""
    roll = np.where(plan.roll, 0, midi_velocities(_played(system, given, plan, notes, seed)))
    song, old, parts = given.song, given.score.notes.copy(), list(given.score.parts)
    new = notes_of(roll, song.metres[-1], system.steps_per_beat, system.representation)
    if given.swing:
        new = with_swing(replace(song, notes=new), *given.swing).notes
    own, taken = voices_of(song), -1
    if given.voice is not None:
        parts, taken = _around(given.voice, parts[0], roll)
        old["part"], own = taken, list(range(len(parts)))
        # The voice that is given has no other notes.
        new = _in_voices(new, old, [part for part in own if part != taken])
    elif own:
        new = _in_voices(new, old, own)
    elif len(song.pitched):
        new = by_height(new, song, given.begin, song.metres[-1].bar)
    else:
        new["part"] = len(parts)
        parts.append(Part("Piano"))
    both = np.concatenate([old, _apart(new, old)])
    more = voices.unisons(both, own)
    more = more[(more["onset"] >= given.begin) & (more["onset"] < given.end)]
    both = np.concatenate([both, more[more["part"] != taken]])
    order = np.lexsort((both["part"], both["pitch"], both["onset"]))
    is_old = (np.arange(len(both)) < len(old))[order]
    return replace(given.score, notes=both[order], parts=parts), is_old


def _around(voice: int, part: Part, roll: np.ndarray) -> tuple[list[Part], int]:
    """Choose voices around one that is given: all parts, the highest first, and which is its."""
    counts = (roll != 0).sum(1)
    sounding = counts[counts > 0]
    count = int(np.quantile(sounding, USUAL)) if len(sounding) else 0
    count = min(max(count, 1), MOST_VOICES)
    own = count if voice == -1 else min(voice, count)
    names = NAMES if count == len(NAMES) - 1 else [f"Voice {i + 1}" for i in range(count + 1)]
    parts = [replace(part, name=name) for name in names]
    if part.name:
        parts[own] = part
    return parts, own


def _in_voices(new: np.ndarray, old: np.ndarray, places: list[int]) -> np.ndarray:
    """Divide new notes among voices, some notes of which are given.

    Parameters
    ----------
    new, old : ndarray[NOTE]
    places : list of int
        The part of each voice, the highest first.

    Returns
    -------
    ndarray[NOTE]
    """
    voice = {part: number for number, part in enumerate(places)}
    old = old[np.isin(old["part"], places)]
    both = np.concatenate([old, new])
    known = np.array([*map(voice.get, old["part"].tolist()), *[-1] * len(new)], int)
    order = np.lexsort((both["pitch"], both["onset"]))
    found = np.empty(len(both), int)
    found[order] = voices.separate(both[order], voices.silent(len(places)), known[order])
    divided = new.copy()
    divided["part"] = np.array(places)[found[len(old) :]]
    return tidy(divided)


def _apart(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Shorten new notes that overlap given ones of their part and pitch, which may be off steps."""
    begin = new["onset"].astype(int)
    end = begin + new["length"]
    for note in old:
        same = (new["part"] == note["part"]) & (new["pitch"] == note["pitch"])
        first, last = int(note["onset"]), int(note["onset"]) + int(note["length"])
        end = np.where(same & (begin < first), np.minimum(end, first), end)
        begin = np.where(same & (begin >= first), np.maximum(begin, last), begin)
    kept = new[end > begin].copy()
    kept["onset"], kept["length"] = begin[end > begin], (end - begin)[end > begin]
    return kept


@torch.inference_mode()
def _played(system: System, given: Outline, plan: Plan, notes: Tensor, seed: int) -> Tensor:
    """Say how hard keys are struck: Tensor[S, 88] of velocities, negative where they are held."""
    performer = system.performer
    if not performer.velocity:
        known = given.score.pitched["velocity"]
        return notes * (float(np.median(known)) / 128 if len(known) else VELOCITY)
    state = performer.initial(
        torch.zeros_like(notes[None, :1]), torch.from_numpy(plan.positions)[None].to(notes.device)
    )
    known = torch.from_numpy(plan.roll).to(notes) / 128
    shape, played = (1, len(notes), performer.num_uniforms), []
    lots = noise.uniforms(shape, seed, "velocities").to(notes)
    for step in range(len(notes)):
        now = slice(step, step + 1)
        found, _ = performer.sample(notes[None, now], state, lots[:, now], 1.0)
        played.append(torch.where(known[now] != 0, known[now], found[0]))
        state = performer.follow(played[-1][None], state)
    return torch.cat(played)
