"""Scores as MidiTok's tokens: bars, positions, instruments, pitches, lengths and velocities.

MidiTok: Fradet et al., MidiTok: a Python package for MIDI file tokenization, ISMIR 2021. REMI:
Huang and Yang, Pop music transformer, ACM Multimedia 2020. TSD, with time shifts and lengths:
Fradet et al., Byte pair encoding for symbolic music, EMNLP 2023.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import miditok
import numpy as np
import symusic

from ostinato.scores.parts import numbers_of
from ostinato.scores.score import (
    BPM,
    NOTE,
    TICKS_PER_BEAT,
    VELOCITY,
    Metre,
    Part,
    Score,
    Tempo,
    UnreadableScore,
    nearest_step,
    tidy,
)

TOKENIZERS = {"remi": miditok.REMI, "tsd": miditok.TSD}

FINE, LONGEST, COARSE = 4, 16, 2
"""Lengths of up to 4 beats are in steps, longer ones in half beats, up to 16 beats."""

TEMPI = 16, 500, 64
"""The lowest and the highest tempo, and how many there are between them, at equal ratios."""

HIGHEST = 127
"""The highest pitch."""

MOST_BEATS = 255
"""In a bar, as symusic keeps it in a byte."""

DRUMS, SILENT = -1, -2
"""MidiTok's program of drums; and that of what is left out."""


def in_quarters(metre: Metre) -> Metre:
    """Count a metre of halves or whole notes in quarters: MidiTok's steps are those of a beat."""
    times = max(1, 4 // metre.unit)
    return Metre(metre.tick, metre.beats * times, metre.unit * times)


class Tokenizer:
    """Turns scores into names of tokens, and names into scores.

    Parameters
    ----------
    config : dict
        ``tokenizer`` is ``"remi"`` or ``"tsd"``; ``steps_per_beat`` the steps in a quarter note;
        ``velocities`` the number of velocities, 0 if they are left out; ``metres`` a list of time
        signatures such as ``"3/4"``; ``parts`` a list of the number, program and name of each part,
        as from `ostinato.scores.parts.usual_parts`; ``drums`` whether there are any. If there is
        only one part, no token says which it is. It can be written as JSON.

    Attributes
    ----------
    config : dict
    parts : dict of int to Part
        The parts of the numbers in tokens.
    """

    def __init__(self, config: dict[str, Any]):
        self.config = config
        self.steps = config["steps_per_beat"]
        self.parts = {number: Part(name, program) for number, program, name in config["parts"]}
        metres = {4: [4]}  # MidiTok needs this one
        for metre in config["metres"]:
            beats, unit = map(int, metre.split("/"))
            if beats not in metres.setdefault(unit, []):
                metres[unit].append(beats)
        lowest, highest, tempi = TEMPI
        self._programs = len(config["parts"]) + config["drums"] > 1
        self._midi = TOKENIZERS[config["tokenizer"]](
            miditok.TokenizerConfig(
                pitch_range=(0, HIGHEST),
                drums_pitch_range=(0, HIGHEST),
                beat_res={(0, FINE): self.steps, (FINE, LONGEST): COARSE},
                use_velocities=bool(config["velocities"]),
                num_velocities=config["velocities"] or 1,
                use_programs=self._programs,
                programs=[*range(DRUMS, 128)],
                # Drums have no length.
                use_note_duration_programs=[*range(128)],
                use_tempos=True,
                num_tempos=tempi,
                tempo_range=(lowest, highest),
                log_tempos=True,
                delete_equal_successive_tempo_changes=True,
                use_time_signatures=True,
                time_signature_range=metres,
            )
        )

    def names_of(self, score: Score, numbers: Sequence[int | None] | None = None) -> list[str]:
        """Turn a score into tokens.

        Parameters
        ----------
        score : Score
            Onsets and ends are rounded to the nearest step, halves up. Of several notes that
            strike the same key of a part at the same step, the longest counts.
        numbers : sequence of int or None, optional
            The number of each part that has notes, in order, None for those that are left out; by
            default, as `ostinato.scores.parts.numbers_of` numbers them.

        Returns
        -------
        list of str

        Raises
        ------
        UnreadableScore
            When a bar is no whole number of steps.
        """
        used, where = np.unique(score.notes["part"], return_inverse=True)
        if numbers is None:
            numbers = numbers_of([score.parts[part] for part in used])
        notes = score.notes.copy()
        notes["onset"] = self._step(score.notes["onset"])
        ends = self._step(score.notes["onset"] + score.notes["length"])
        notes["length"] = np.maximum(ends - notes["onset"], 1)
        # Parts that share a number are one.
        number = np.array([SILENT if n is None else n for n in numbers], int)[where]
        if not self._programs:
            # The only part has all notes of its kind.
            drums = not self.parts
            number = np.where((number != SILENT) & ((number == DRUMS) == drums), 0, SILENT)
        heard = number != SILENT
        notes["part"][heard] = number[heard] - DRUMS
        notes = tidy(notes[heard])
        found = symusic.Score(self.steps)
        for part in np.unique(notes["part"]).tolist():
            own = notes[notes["part"] == part]
            program = part + DRUMS
            track = symusic.Track("", max(program, 0), program == DRUMS)
            fields = own["onset"], own["length"], own["pitch"], own["velocity"]
            whole = [np.ascontiguousarray(field, np.int32) for field in fields[:2]]
            small = [np.ascontiguousarray(field, np.int8) for field in fields[2:]]
            track.notes = symusic.Note.from_numpy(*whole, *small, "tick")
            found.tracks.append(track)
        for own, metre in zip(score.metres, map(in_quarters, score.metres), strict=True):
            if metre.beats > MOST_BEATS:
                raise UnreadableScore(f"a bar of {own} has over {MOST_BEATS} quarter notes")
            if metre.bar * self.steps % TICKS_PER_BEAT:
                raise UnreadableScore(f"a bar of {metre} is no whole number of steps")
            at = int(self._step(metre.tick))
            found.time_signatures.append(symusic.TimeSignature(at, metre.beats, metre.unit))
        for tempo in score.tempi:
            found.tempos.append(symusic.Tempo(int(self._step(tempo.tick)), qpm=tempo.bpm))
        [tokens] = [self._midi(found)] if self._programs else self._midi(found)
        return tokens.tokens

    def _step(self, ticks: Any) -> Any:
        return nearest_step(ticks, self.steps)

    def score_of(self, names: Sequence[str], title: str = "") -> Score:
        """Turn tokens into a score; those that make no sense where they stand are left out.

        Parameters
        ----------
        names : sequence of str
        title : str
            The title of the score.

        Returns
        -------
        Score
            Its parts have programs and names of the corpus.
        """
        found = self._decoded(names)
        notes, numbers = self._notes(found)

        def tick(time: int) -> int:
            return time * TICKS_PER_BEAT // found.tpq

        metres = (Metre(tick(m.time), m.numerator, m.denominator) for m in found.time_signatures)
        tempi = (Tempo(tick(tempo.time), tempo.qpm) for tempo in found.tempos)
        parts = list(map(self.part, numbers))
        usual = Metre(0, 4, 4), Tempo(0, BPM)
        changes = [_from_start(*each) for each in zip(usual, (metres, tempi), strict=True)]
        return Score(notes, parts, *changes, title)

    def notes_of(self, names: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """Turn tokens into notes, and the numbers of their parts.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        notes : ndarray[NOTE]
            Without velocities in the tokens, all have the same.
        numbers : list of int
            The number of each part; see `part`.
        """
        return self._notes(self._decoded(names))

    def part(self, number: int) -> Part:
        """The part that a number stands for; -1 is that of drums."""
        if number == DRUMS:
            return Part("Drums", 0, True)
        return self.parts.get(number, Part(program=number))

    def _decoded(self, names: Sequence[str]) -> symusic.Score:
        sequence = miditok.TokSequence(tokens=list(names))
        if self._programs:
            return self._midi.decode(sequence)
        return self._midi.decode([sequence], [(0, False)])

    def _notes(self, found: symusic.Score) -> tuple[np.ndarray, list[int]]:
        rows, numbers = [np.zeros(0, NOTE)], []
        only = next(iter(self.parts), DRUMS)  # if no token says which part it is
        for track in found.tracks:
            own = track.notes.numpy()
            notes = np.zeros(len(own["time"]), NOTE)
            for name, times in (("onset", own["time"]), ("length", own["duration"])):
                notes[name] = times.astype(np.int64) * TICKS_PER_BEAT // found.tpq
            notes["pitch"] = own["pitch"]
            notes["velocity"] = own["velocity"] if self.config["velocities"] else VELOCITY
            notes["part"] = len(numbers)
            rows.append(notes)
            number = DRUMS if track.is_drum else track.program
            numbers.append(number if self._programs else only)
        return tidy(np.concatenate(rows)), numbers


def _from_start(usual: Any, changes: Iterable[Any]) -> list[Any]:
    """Put changes in order, the usual one first if none is at the beginning."""
    found = {0: usual} | {change.tick: change for change in changes}
    return [found[tick] for tick in sorted(found)]
