"""Going on with a performance: notes in seconds, a few at a time."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from ostinato.core import devices, noise
from ostinato.notes.compose.compose import midi_velocities, notes_of, with_finals
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import bars_of, quantise
from ostinato.notes.data.positions import Positions
from ostinato.notes.system import System
from ostinato.scores.performance import CUT, PLAYED, score_of
from ostinato.scores.rhythm import aligned, performed
from ostinato.scores.score import TICKS_PER_BEAT, Metre, Score, seconds

AT_A_TIME = 16
"""Steps that are composed at a time."""
LONGEST = 8.0
"""No note lasts longer than this, in seconds, since none is played before its end is known."""


class Clock:
    """When steps are played, after a performance.

    Parameters
    ----------
    score : Score
        On beats, as `ostinato.scores.rhythm.aligned` puts it.
    begin, end : float
        When its first note begins and when it is cut off, in seconds.
    steps_per_beat : int

    Attributes
    ----------
    given : int
        The first step after the performance.
    longest : int
        How many steps a note lasts at most.
    """

    def __init__(self, score: Score, begin: float, end: float, steps_per_beat: int):
        onsets = score.notes["onset"]
        sounds = seconds(score, onsets)
        tempi = np.array([tempo.bpm for tempo in score.tempi])
        # What a step lasts from here on does not hang on the last beat.
        self._step = 60 / float(np.median(tempi)) / steps_per_beat
        last = onsets[-1] * steps_per_beat / TICKS_PER_BEAT
        self._origin = begin + float(sounds[-1] - sounds[0]) - last * self._step
        self.given = max(1, self.step(end))
        self.longest = int(LONGEST / self._step)

    def step(self, when: float) -> int:
        """Find the first step at a time or after it."""
        return int(np.ceil((when - self._origin) / self._step - 1e-6))

    def time(self, steps: np.ndarray) -> np.ndarray:
        """Find when steps begin, in seconds."""
        return self._origin + steps * self._step


@torch.inference_mode()
def go_on(
    system: System, heard: np.ndarray, end: float, length: float, seed: int, temperature: float
) -> Iterator[tuple[np.ndarray, float]]:
    """Go on with a performance: its beats and bars are found, and new notes stand on them.

    Parameters
    ----------
    system : System
        Trained.
    heard : ndarray[PLAYED]
        In order of their starts; at least one note.
    end : float
        When the performance is cut off, in seconds. Notes that sound there may go on.
    length : float
        Seconds to go on for. The piece ends with the bar in which they are over.
    seed : int
        Seed for the random numbers.
    temperature : float
        At 0, the most probable outcome is always taken.

    Yields
    ------
    notes : ndarray[PLAYED]
        Notes that follow, and those that were cut off, with their new ends. Each is yielded as soon
        as it is known when it ends.
    known : float
        Notes that are yielded later begin at this time or after it.
    """
    per_beat, kind = system.steps_per_beat, system.representation
    score = _in_bars(aligned(performed(score_of(heard)))[0], per_beat)
    clock = Clock(score, float(heard["start"][0]), end, per_beat)
    given = clock.given
    before = quantise(score, per_beat)
    before = before[before["onset"] < given]
    rows = [rolls.render_roll(before, 0, given, representation=kind)]
    begun = torch.from_numpy(rows[0] / np.float32(128))[None].to(devices.device_of(system))
    bars, last = bars_of(score.metres, per_beat), max(clock.step(end + length), given + 1)
    plan = Positions(bars, last, int(before["onset"].min(initial=0)))
    where = torch.from_numpy(plan(0, plan.steps))[None]
    where = with_finals(system, begun, where, temperature, noise.uniforms((1,), seed, "final"))
    silence = begun.new_zeros(1, system.context_length, rolls.KEYS)
    state = system.initial(silence, where)
    unused = begun.new_zeros(1, given, system.num_uniforms)
    state = system.follow(begun, state, unused)
    cut = heard[heard["end"] > end - CUT]
    for first in range(given, plan.steps, AT_A_TIME):
        last = min(first + AT_A_TIME, plan.steps)
        for step in range(first, last):
            chance = noise.uniforms((1, 1, system.num_uniforms), seed, "step", step)
            drawn, state = system.step(state, chance.to(begun), temperature)
            rows.append(midi_velocities(drawn[0]))
        notes = notes_of(np.concatenate(rows), score.metres[-1], per_beat, kind)
        begins = notes["onset"] * per_beat // TICKS_PER_BEAT
        ends = begins + notes["length"] * per_beat // TICKS_PER_BEAT
        ends = np.minimum(ends, np.maximum(begins, given) + clock.longest)
        # What sounds at the last step may last longer.
        settled = (ends < last) | (last == plan.steps)
        own = begins >= given
        new = own & settled & (ends >= first)
        found = np.zeros(int(new.sum()), PLAYED)
        found["pitch"] = notes["pitch"][new]
        found["start"], found["end"] = clock.time(begins[new]), clock.time(ends[new])
        waits = np.zeros(len(cut), bool)
        for i, note in enumerate(cut):
            same = (notes["pitch"] == note["pitch"]) & ~own & (ends > given)
            waits[i] = (same & ~settled).any()
            if same.any():
                cut["end"][i] = clock.time(ends[same].max())
        open_ = clock.time(begins[own & ~settled])
        known = min(
            clock.time(last), open_.min(initial=np.inf), cut["start"][waits].min(initial=np.inf)
        )
        yield np.concatenate([cut[~waits], found]), known
        cut = cut[waits]
    yield np.zeros(0, PLAYED), np.inf


def _in_bars(score: Score, steps_per_beat: int) -> Score:
    """Give a score whose bars are no whole number of steps bars of 4/4; its metre was a guess."""
    try:
        bars_of(score.metres, steps_per_beat)
    except ValueError:
        return replace(score, metres=[Metre(0, 4, 4)])
    return score
