"""Writing the rest of a piece of which an outline is given."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ostinato.core import devices, noise
from ostinato.core.errors import UserError
from ostinato.core.progress import tell
from ostinato.core.seeds import derive
from ostinato.notes.compose import voices
from ostinato.notes.compose.bands import by_height
from ostinato.notes.compose.compose import midi_velocities, notes_of
from ostinato.notes.compose.filter import NothingFits, Written, fewest, write_around
from ostinato.notes.compose.outline import Outline, Plan, place
from ostinato.notes.data import rolls
from ostinato.notes.data.positions import FINAL
from ostinato.notes.performer import VELOCITY
from ostinato.notes.system import System
from ostinato.scores.grid import straightened, with_swing
from ostinato.scores.score import TICKS_PER_BEAT, Part, Score, step_spans, tidy, voices_of

TEMPERATURE = 0.8
PATIENCE = 64
"""Where hardly any particle fits what is given, so many times as many are drawn, at most."""
NAMES = "Soprano", "Alto", "Tenor", "Bass"


@dataclass(frozen=True)
class Piece:
    """A piece around what was given.

    Attributes
    ----------
    score : Score
    given : ndarray[bool], shape [notes]
        Which of its notes were given.
    nats : float
        Its log-probability, that of its final included.
    evidence : float
        An estimate of the log-probability of what is given, in nats. At other temperatures than 1,
        and where more particles were drawn since hardly any fitted, it is a rough one.
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
    temperature: float = TEMPERATURE,
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
            derive(seed, "around"),
            temperature,
            PATIENCE,
            plan.likely,
        )
    except NothingFits as nothing:
        where = _where(given, nothing.step, system)
        raise UserError(f"{where}: nothing that the model can write fits what is given") from None
    _warn(written, given, system, particles)
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


def _warn(written: Written, given: Outline, system: System, particles: int) -> None:
    """Say where hardly anything fitted, in most of the pieces."""
    least, step = written.effective.median(0).values.min(0)
    if least < fewest(particles):
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
    own, kept = voices_of(song), given.kept
    if given.voice is not None:
        parts, taken = _around(given.voice, parts[0], given.voices)
        old["part"], own, kept = taken, list(range(len(parts))), (taken,)
    # Notes are divided where they were meant to stand, and not where they are played.
    meant = _on_steps(old, given.swing, system.steps_per_beat)
    if given.voice is not None:
        high = _above(new, meant) & (taken > 0) | (taken == own[-1])
        new = np.concatenate([
            _in_voices(new[high], meant, own[:taken]),
            _in_voices(new[~high], meant, own[taken + 1 :]),
        ])  # fmt: skip
    elif own:
        new = _in_voices(new, meant, [part for part in own if part not in kept])
    elif len(song.pitched):
        new = by_height(new, song, song.metres[-1].bar)
    else:
        new["part"] = len(parts)
        parts.append(Part("Piano"))
    more = voices.unisons(np.concatenate([meant, new]), own)
    first, end = np.flatnonzero(plan.free)[[0, -1]] * (TICKS_PER_BEAT // system.steps_per_beat)
    inside = (more["onset"] >= first) & (more["onset"] <= end) & ~np.isin(more["part"], kept)
    new = tidy(np.concatenate([new, more[inside]]))
    if given.swing:
        new = with_swing(replace(song, notes=new), *given.swing).notes
    both = np.concatenate([old, _apart(new, old)])
    order = np.lexsort((both["part"], both["pitch"], both["onset"]))
    is_old = (np.arange(len(both)) < len(old))[order]
    return replace(given.score, notes=both[order], parts=parts), is_old


def _around(voice: int, part: Part, count: int) -> tuple[list[Part], int]:
    """Choose voices around one that is given: all parts, the highest first, and which is its."""
    own = count - 1 if voice == -1 else voice
    names = NAMES if count == len(NAMES) else [f"Voice {i + 1}" for i in range(count)]
    parts = [replace(part, name=name) for name in names]
    if part.name not in ("", *names):
        parts[own] = part
    return parts, own


def _above(new: np.ndarray, melody: np.ndarray) -> np.ndarray:
    """Tell which new notes begin above a melody; where it rests, it stays where it was."""
    latest = np.searchsorted(melody["onset"], new["onset"], "right") - 1
    return new["pitch"] > melody["pitch"][np.maximum(latest, 0)]


def _on_steps(notes: np.ndarray, swing: tuple[float, int] | None, steps: int) -> np.ndarray:
    """Put notes on so many steps of a beat, without swing."""
    begin, end = notes["onset"].astype(np.int64), notes["onset"] + notes["length"].astype(np.int64)
    if swing:
        begin, end = (np.rint(straightened(each, *swing) * TICKS_PER_BEAT) for each in (begin, end))
    begin, end = step_spans(begin, end, steps)
    found, ticks = notes.copy(), TICKS_PER_BEAT // steps
    found["onset"], found["length"] = begin * ticks, (end - begin) * ticks
    return found


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
