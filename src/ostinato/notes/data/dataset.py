"""The dataset: notes of our MIDI files on a grid of steps, without songs that do not fit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress, tell
from ostinato.core.workers import in_parallel
from ostinato.notes.data import rolls
from ostinato.notes.data.positions import Bars, Positions
from ostinato.notes.data.songs import STEP_NOTE
from ostinato.scores import grid
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.parts import chosen
from ostinato.scores.score import (
    TICKS_PER_BEAT,
    Metre,
    Score,
    step_spans,
    voices_of,
)
from ostinato.scores.sources import SPLITS

SONG_COLUMNS = [
    "song", "id", "title", "split", "metre", "steps_per_beat", "bars", "steps", "notes", "parts",
    "voices", "swing", "swung",
]  # fmt: skip
"""Beside what its names say: ``parts`` are programs and names, with a bar between two parts;
``voices`` the indices of parts, the highest first; ``swing`` and ``swung`` what was undone, as in
the songs.csv of a corpus."""
REJECTED_COLUMNS = ["id", "source", "filter", "reason"]


@dataclass(frozen=True)
class Filters:
    """Which songs are accepted; from the section ``dataset`` of params.yaml.

    Attributes
    ----------
    steps_per_beat : int or None
        Number of steps in a quarter note; None: what most songs need.
    meters : list of str
        Time signatures that a song may have, such as ``"4/4"``; if there are none, all whose bars
        are a whole number of steps.
    pitches : list of int
        Lowest and highest MIDI pitch allowed.
    max_tempo_changes : int or None
        Largest number of tempo changes; None: any.
    grid_tolerance : float
        A note is off the grid if its onset is further than this from the nearest step, in steps.
    max_off_grid : float
        Largest share of notes that may be off the grid.
    parts : str or list of str and int
        Which parts count; see `ostinato.scores.parts.chosen`. Drums never do.
    """

    steps_per_beat: int | None
    meters: list[str]
    pitches: list[int]
    max_tempo_changes: int | None
    grid_tolerance: float
    max_off_grid: float
    parts: str | list[str | int]


class Rejection(NamedTuple):
    """Why a song is left out: the name of the filter, and the reason."""

    filter: str
    reason: str


def build(out: Path, corpus: Path, filters: Filters) -> None:
    """Write a dataset: ``notes.npy``, ``songs.csv`` and ``rejected.csv``.

    Swing is undone.

    Parameters
    ----------
    out : Path
        An empty folder.
    corpus : Path
        A corpus that `ostinato.scores.corpus.build` wrote.
    filters : Filters
        Which songs to accept.

    Raises
    ------
    UserError
        If the filters leave no song for training, validation or test.
    """
    table = corpus / SONGS
    filters = replace(
        filters, steps_per_beat=filters.steps_per_beat or grid.usual_steps(files.rows(table))
    )
    had, finer, first = Counter(), 0, ""
    for song in files.rows(table):
        had[song["split"]] += 1
        if filters.steps_per_beat % int(song["steps_per_beat"] or 1):
            finer, first = finer + 1, first or song["source"]
    if finer:
        tell(
            f"dataset: {filters.steps_per_beat} steps in a quarter note; {finer} of "
            f"{had.total()} songs have notes between them, such as {first}"
        )
    read = in_parallel(
        partial(_read, Stored.of(corpus, song), filters, grid.swing_of(song))
        for song in files.rows(table)
    )
    kept, refused, beyond = Counter(), Counter(), 0
    reasons: dict[str, list[str]] = {split: [] for split in SPLITS}
    with (
        files.writing_array(out / "notes.npy", STEP_NOTE) as add_notes,
        files.writing_table(out / "songs.csv", SONG_COLUMNS) as add_song,
        files.writing_table(out / "rejected.csv", REJECTED_COLUMNS) as reject,
    ):
        found = zip(files.rows(table), read, strict=True)
        for song, read_song in progress(found, had.total(), "dataset"):
            if isinstance(read_song, Rejection):
                reject({"id": song["id"], "source": song["source"], **read_song._asdict()})
                refused[read_song.filter] += 1
                if len(reasons[song["split"]]) < 3:
                    reasons[song["split"]].append(f"; {song['source']}: {read_song.reason}")
                continue
            notes, bars, parts, voices, left = read_song
            beyond += left > 0
            notes["song"] = kept.total()
            end = int((notes["onset"] + notes["length"]).max())
            add_notes(notes)
            add_song(
                {
                    "song": kept.total(),
                    "id": song["id"],
                    "title": song["title"],
                    "split": song["split"],
                    "metre": song["metre"],
                    "steps_per_beat": filters.steps_per_beat,
                    "bars": " ".join(":".join(map(str, each)) for each in bars),
                    "steps": Positions(bars, end).steps,
                    "notes": len(notes),
                    "parts": "|".join(parts),
                    "voices": " ".join(map(str, voices)),
                    "swing": song["swing"],
                    "swung": song["swung"],
                }
            )
            kept[song["split"]] += 1
    for split in SPLITS:
        if not kept[split]:
            raise UserError(
                f"dataset: none of the {had[split]} {split} songs passes the filters, "
                f"loosen them in params.yaml or add songs{''.join(reasons[split])}"
            )
    if beyond:
        tell(f"dataset: {beyond} songs have notes that no piano has, which are left out")
    if refused:
        tell(
            f"dataset: {kept.total()} of {had.total()} songs, left out are "
            + ", ".join(f"{count} by {filter}" for filter, count in refused.most_common())
            + "; rejected.csv says which"
        )


def _read(
    song: Stored, filters: Filters, swing: tuple[float, int] | None
) -> Rejection | tuple[np.ndarray, list[Bars], list[str], list[int], int]:
    """Read a song: its notes, bars, parts, voices, and how many notes no piano has."""
    score = song.score()
    if swing:
        score = grid.without_swing(score, *swing)
    score = chosen(score, filters.parts)
    used, notes = np.unique(score.pitched["part"]).tolist(), score.pitched
    notes["part"] = np.searchsorted(used, notes["part"])
    inside = (notes["pitch"] >= rolls.LOWEST) & (notes["pitch"] < rolls.LOWEST + rolls.KEYS)
    score = replace(score, notes=notes[inside], parts=[score.parts[part] for part in used])
    if reason := rejection(score, filters):
        return reason
    bars = bars_of(score.metres, filters.steps_per_beat)
    # In songs.csv, a bar divides the parts.
    parts = [f"{part.program} {part.name.replace('|', ' ')}".strip() for part in score.parts]
    found = quantise(score, filters.steps_per_beat)
    return found, bars, parts, voices_of(score), int((~inside).sum())


def beat_of(metre: Metre) -> int:
    """Compute the length of a beat in ticks; in 6/8, 9/8, 12/8 and the like, three eighths."""
    compound = metre.unit >= 8 and metre.beats > 3 and metre.beats % 3 == 0
    return metre.bar * (3 if compound else 1) // metre.beats


def bars_of(metres: Sequence[Metre], steps_per_beat: int) -> list[Bars]:
    """Convert time signatures to bars.

    Parameters
    ----------
    metres : sequence of Metre
        In order; the first at tick 0.
    steps_per_beat : int
        Number of steps in a quarter note.

    Raises
    ------
    ValueError
        When a bar is not a whole number of steps; the message names the time signature.
    """
    found = []
    for metre in metres:
        bar, rest = divmod(metre.bar * steps_per_beat, TICKS_PER_BEAT)
        if rest or not bar:
            raise ValueError(f"a bar of {metre} is no whole number of steps")
        beat = max(1, beat_of(metre) * steps_per_beat // TICKS_PER_BEAT)
        found.append(Bars(metre.tick * steps_per_beat // TICKS_PER_BEAT, bar, beat))
    return found


def whole_bars(metres: Sequence[Metre], steps_per_beat: int) -> list[Bars]:
    """Convert time signatures to bars, as `bars_of`, for a person's song.

    Raises
    ------
    UserError
        When a bar is not a whole number of steps.
    """
    try:
        return bars_of(metres, steps_per_beat)
    except ValueError as error:
        steps = f"of which there are {steps_per_beat} in a quarter note"
        raise UserError(f"{error}, {steps}") from error


def metres_of(bars: Sequence[Bars], steps_per_beat: int) -> list[Metre]:
    """Find time signatures that `bars_of` converts to some bars."""
    found = []
    for each in bars:
        beats, unit = each.bar // each.beat, 4 * steps_per_beat / each.beat
        if unit != int(unit):  # three eighths, for instance
            beats, unit = 3 * beats, 3 * unit
        found.append(Metre(each.step * TICKS_PER_BEAT // steps_per_beat, beats, int(unit)))
    return found


def rejection(score: Score, filters: Filters) -> Rejection | None:
    """Check whether a score passes the filters.

    Parameters
    ----------
    score : Score
        The score.
    filters : Filters
        Which songs are accepted.

    Returns
    -------
    Rejection or None
        None if it passes.
    """
    notes = score.pitched
    if len(notes) == 0:
        return Rejection("notes", "no notes that have pitch, in dataset.parts")
    strange = [m for m in score.metre.split() if filters.meters and m not in filters.meters]
    if strange:
        return Rejection("meters", f"metre {' '.join(strange)} is not in dataset.meters")
    try:
        bars_of(score.metres, filters.steps_per_beat)
    except ValueError as error:
        return Rejection("meters", f"{error}; raise dataset.steps_per_beat")
    lowest, highest = filters.pitches
    outside = notes["pitch"][(notes["pitch"] < lowest) | (notes["pitch"] > highest)]
    if len(outside):
        return Rejection(
            "pitches",
            f"{len(outside)} notes outside {lowest} to {highest}, such as {outside[0]}",
        )
    changes = len(score.tempi) - 1
    if filters.max_tempo_changes is not None and changes > filters.max_tempo_changes:
        reason = f"{changes} tempo changes, over {filters.max_tempo_changes}"
        return Rejection("max_tempo_changes", reason)
    steps = notes["onset"] * (filters.steps_per_beat / TICKS_PER_BEAT)
    off = float(np.mean(np.abs(steps - np.floor(steps + 0.5)) > filters.grid_tolerance))
    if off > filters.max_off_grid:
        return Rejection(
            "max_off_grid",
            f"{off:.0%} of the notes off the grid, over {filters.max_off_grid:.0%}",
        )
    return None


def quantise(score: Score, steps_per_beat: int) -> np.ndarray:
    """Quantise the notes of a score to steps; drums are left out.

    Onsets and ends are rounded to the nearest step, halves up. A note lasts at least one step. If
    several notes strike the same key at the same step, the longest is kept, with the greatest of
    their velocities.

    Parameters
    ----------
    score : Score
        The score.
    steps_per_beat : int
        Number of steps in a quarter note.

    Returns
    -------
    ndarray[STEP_NOTE]
        Sorted by onset and pitch; the field ``song`` is 0.
    """
    notes = score.pitched
    result = np.zeros(len(notes), STEP_NOTE)
    begins, ends = step_spans(notes["onset"], notes["onset"] + notes["length"], steps_per_beat)
    result["onset"], result["length"] = begins, ends - begins
    result["pitch"] = notes["pitch"]
    result["velocity"] = notes["velocity"]
    result["part"] = notes["part"]
    result = result[np.lexsort((-result["length"], result["pitch"], result["onset"]))]
    place = np.stack([result["onset"], result["pitch"]])
    starts = np.flatnonzero(np.any(np.diff(place, prepend=-1) != 0, axis=0))
    merged = result[starts]
    if len(result):
        merged["velocity"] = np.maximum.reduceat(result["velocity"], starts)
    return merged
