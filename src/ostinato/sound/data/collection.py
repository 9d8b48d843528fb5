"""The collection of sound that the audio models learn from: rendered scores, or recordings."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ostinato.core import cache, files
from ostinato.core.errors import UserError
from ostinato.core.params import Params
from ostinato.core.progress import progress
from ostinato.core.seeds import derive
from ostinato.core.workers import in_parallel
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.performance import PLAYED, played
from ostinato.scores.score import Score
from ostinato.scores.sources import (
    REJECTED_COLUMNS,
    SPLITS,
    Rejected,
    files_in,
    identity,
    printable,
    split,
)
from ostinato.scores.synthesis import render
from ostinato.scores.wav import PEAK, RATE, to_pcm
from ostinato.sound.data.recordings import SILENCE, UnreadableSound, read_blocks
from ostinato.sound.data.sound import CHANNELS, FRAME, SOUND_COLUMNS

SLOWEST, FASTEST = 0.85, 1.2
LATEST_START = 0.25
"""Bounds of what is drawn for each piece: a factor for its tempo, and the silence before it in
seconds, so that notes do not always begin at the borders of frames."""
MOST_LESSONS = 100
"""The number of pieces of each split, at most, that the transcriber learns from."""
VELOCITY_SPREAD = 12.0
QUIETEST, LOUDEST = 30, 120


def build(out: Path, params: Params, corpus: Path, splits: Collection[str]) -> None:
    """Collect the sound that the parameters choose, see `build_rendered` and `build_recorded`.

    Parameters
    ----------
    out : Path
        An empty folder.
    params : Params
        The whole of params.yaml.
    corpus : Path
        What `ostinato.scores.corpus.build` wrote.
    splits : collection of str
        Pieces of other splits are left out.
    """
    audio = params.audio
    if audio.source == "corpus":
        build_rendered(out, corpus, audio.instruments, params.seed, splits)
    else:
        build_recorded(out, Path(audio.folder), splits)


def build_lessons(out: Path, params: Params, corpus: Path) -> None:
    """Render pieces whose notes the transcriber learns, where recordings are learned.

    Parameters
    ----------
    out : Path
        An empty folder. Where the sound to learn from is rendered, there are no more pieces.
    params : Params
        The whole of params.yaml.
    corpus : Path
        What `ostinato.scores.corpus.build` wrote.
    """
    most = 0 if params.audio.source == "corpus" else MOST_LESSONS
    build_rendered(out, corpus, params.audio.instruments, params.seed, most=most)


def build_rendered(
    out: Path,
    corpus: Path,
    instruments: list[int],
    seed: int,
    splits: Collection[str] = SPLITS,
    most: int | None = None,
) -> None:
    """Render a corpus: ``sound.pcm``, ``notes.npy``, ``songs.csv`` and ``rejected.csv``.

    Parameters
    ----------
    out : Path
        An empty folder.
    corpus : Path
        What `ostinato.scores.corpus.build` wrote. Its splits are kept.
    instruments : list of int
        General MIDI programs, 0 to 127. One is drawn for each part of each piece.
    seed : int
        Determines what is drawn for each piece.
    splits : collection of str
        Pieces of other splits are left out.
    most : int, optional
        The number of pieces of each split, at most.
    """

    def wanted() -> Iterator[dict[str, str]]:
        counts = Counter()
        for row in files.rows(corpus / SONGS):
            counts[row["split"]] += 1
            if row["split"] in splits and (most is None or counts[row["split"]] <= most):
                yield row

    rendered = in_parallel(
        partial(_rendered, Stored.of(corpus, row), instruments, derive(seed, "audio", row["id"]))
        for row in wanted()
    )
    count, first = sum(1 for _ in wanted()), 0
    with (
        files.writing(out / "sound.pcm") as file,
        files.writing_array(out / "notes.npy", PLAYED) as add_notes,
        files.writing_table(out / "songs.csv", SOUND_COLUMNS) as add,
    ):
        found = zip(wanted(), rendered, strict=True)
        for row, (sound, notes, how) in progress(found, count, "audio"):
            data = sound.tobytes()
            file.write(data)
            kept = {name: row[name] for name in ("id", "title", "source", "split")}
            digest = hashlib.sha256(data).hexdigest()
            place = {"first": first, "samples": len(sound), "hash": digest}
            add({**kept, **place, "rendering": how, "notes": len(notes)})
            add_notes(notes)
            first += len(sound)
    files.write_table(out / "rejected.csv", REJECTED_COLUMNS, [])


def _rendered(
    song: Stored, instruments: list[int], seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Render a song; return its samples, its notes that have pitch, and what was drawn."""
    score, silence, how = varied(song.score(), instruments, seed)
    before = int(silence * RATE)
    sound = np.concatenate([np.zeros((before, CHANNELS), "<i2"), to_pcm(render(score))])
    return sound, played(score, before / RATE), how


def varied(score: Score, instruments: list[int], seed: int) -> tuple[Score, float, str]:
    """Draw how a score is played: instruments, tempo, velocities, and when it begins.

    Parameters
    ----------
    score : Score
        The piece.
    instruments : list of int
        General MIDI programs, from which one is drawn for each part except drums.
    seed : int
        Determines what is drawn.

    Returns
    -------
    Score
        The piece as it will be rendered.
    float
        Seconds of silence before it.
    str
        A description of what was drawn.
    """
    rng = np.random.default_rng(seed)
    parts = [
        part if part.drums else replace(part, program=int(program))
        for part, program in zip(
            score.parts, rng.choice(instruments, len(score.parts)), strict=True
        )
    ]
    factor = rng.uniform(SLOWEST, FASTEST)
    silence = rng.uniform(0, LATEST_START)
    notes = score.notes.copy()
    velocity = notes["velocity"] + rng.normal(0, VELOCITY_SPREAD, len(notes))
    notes["velocity"] = np.clip(np.round(velocity), QUIETEST, LOUDEST)
    tempi = [replace(tempo, bpm=tempo.bpm * factor) for tempo in score.tempi]
    programs = " ".join(str(part.program) for part in parts)
    how = f"programs {programs}, tempo {factor:.2f}, start {silence:.2f} s"
    return replace(score, notes=notes, parts=parts, tempi=tempi), silence, how


def build_recorded(out: Path, folder: Path, splits: Collection[str] = SPLITS) -> None:
    """Read a folder of recordings: ``sound.pcm``, ``songs.csv`` and ``rejected.csv``.

    Their notes are not known: ``notes.npy`` is empty.

    Parameters
    ----------
    out : Path
        An empty folder.
    folder : Path
        Searched recursively for sound files and videos, see `read_blocks`. They may have any
        length, since none is held in memory. Each is scaled to the same peak, so that a quiet one
        counts as much as a loud one.
    splits : collection of str
        Pieces of other splits are left out.

    Raises
    ------
    UserError
        When fewer than 3 recordings can be read, since each split needs one.
    """
    where = f"audio.folder: {folder}"
    found = files_in(folder, "audio.folder", "recordings")
    if not found:
        raise UserError(f"{where} holds no file; put sound files or videos there")
    pieces: dict[str, tuple[str, Path, Recording]] = {}
    rejected: list[Rejected] = []
    version = cache.code_of(__name__)
    heard = in_parallel(partial(cache.remembered, listen, path, version=version) for path in found)
    for path, recording in zip(found, progress(heard, len(found), "listen"), strict=True):
        source = printable(path.relative_to(folder))
        reason = recording.unusable
        if not reason and recording.hash in pieces:
            reason = f"the same sound as {pieces[recording.hash][0]}"
        if reason:
            rejected.append(Rejected(source, reason))
        else:
            pieces[recording.hash] = source, path, recording
    if len(pieces) < len(SPLITS):
        why = "".join(f"; {r.source}: {r.reason}" for r in rejected[:3])
        raise UserError(f"{where} holds {len(pieces)} usable recordings, 3 are needed{why}")
    drawn = split({digest: digest for digest in pieces})
    table: list[dict[str, str | int]] = []
    first = 0
    with (out / "sound.pcm").open("wb") as file:
        for source, path, recording in progress(pieces.values(), len(pieces), "audio"):
            if drawn[recording.hash] not in splits:
                continue
            for block in read_blocks(path):
                file.write(to_pcm(block * (PEAK / recording.loudest)).tobytes())
            table.append(
                {
                    "id": identity(source),
                    "title": Path(source).stem,
                    "source": source,
                    "split": drawn[recording.hash],
                    "first": first,
                    "samples": recording.samples,
                    "hash": recording.hash,
                    "rendering": "",
                    "notes": "",
                }
            )
            first += recording.samples
    with files.writing_array(out / "notes.npy", PLAYED):
        pass
    files.write_table(out / "songs.csv", SOUND_COLUMNS, table)
    files.write_table(out / "rejected.csv", REJECTED_COLUMNS, map(vars, rejected))


@dataclass
class Recording:
    """What is known of a recording: its length, its loudest sample and a hash; or why not."""

    samples: int = 0
    loudest: float = 0.0
    hash: str = ""
    unusable: str = ""


def listen(path: Path) -> Recording:
    """Listen to a recording once."""
    samples, loudest, digest = 0, 0.0, hashlib.sha256()
    try:
        for block in read_blocks(path):
            samples += len(block)
            loudest = max(loudest, float(np.abs(block).max()))
            digest.update(block.tobytes())
    except UnreadableSound as error:
        return Recording(unusable=str(error))
    if samples < FRAME:
        return Recording(unusable=f"{samples:,} samples, less than a quarter of a second")
    if loudest < SILENCE:
        return Recording(unusable="silent")
    return Recording(samples, loudest, digest.hexdigest())
