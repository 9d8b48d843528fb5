"""Scores as sequences of notes and chords: one token for all notes that are struck together.

Tokens are written as in the third notebook. A single note is its pitch name, such as ``F#4``. A
chord is its pitch classes, joined with dots, such as ``0.4.7``; a single number is a pitch class in
several octaves. Times and lengths are lost, and so are the octaves of chords. With octaves, every
token is its MIDI pitches, joined with dots, such as ``48.64.67``.
"""

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.core.workers import in_parallel
from ostinato.scores.archive import SONGS, Stored
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo
from ostinato.scores.sources import Rejected, writing_rejected
from ostinato.tokens import BOUNDARY
from ostinato.tokens.data.labels import UNLABELLED, labels_of, learnable, unlearned
from ostinato.tokens.data.spool import Spool
from ostinato.tokens.data.streams import Piece, Song, Vocabulary, write_streams

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NOTE = re.compile(r"([A-G]#?)(-?\d)")
_NUMBERS = re.compile(r"\d+(\.\d+)*")

CHORD_OCTAVE = 60
"""Chords without octaves are played in the octave that starts at middle C."""
VELOCITY = 80
TOGETHER = TICKS_PER_BEAT // 24
"""The most ticks between two notes of a chord: 25 ms at 100 quarter notes a minute."""


def build(out: Path, corpus: Path, octaves: bool, shifts: list[int], labelling: str | None) -> None:
    """Write a corpus as streams; see `ostinato.tokens.data.streams.write_streams`.

    Parameters
    ----------
    out : Path
        A folder.
    corpus : Path
        What `ostinato.scores.corpus.build` wrote.
    octaves : bool
        Whether chords keep their octaves.
    shifts : list of int
        The lowest and the highest transposition for training, in semitones.
    labelling : str or None
        From `ostinato.tokens.data.labels.labelling`.

    Raises
    ------
    UserError
        When a split has no song, or when all training songs have the same labels.
    """
    table = corpus / SONGS
    read = in_parallel(
        partial(_read, Stored.of(corpus, song), octaves) for song in files.rows(table)
    )
    total = sum(1 for _ in files.rows(table))
    number_of: dict[str, int] = {}
    learned: set[int] = set()
    songs: list[Song] = []
    spool = Spool(out, np.int32)
    with writing_rejected(out / "rejected.csv") as rejected:
        for song, tokens in progress(zip(files.rows(table), read, strict=True), total, "tokens"):
            labels = labels_of(song["source"], labelling)
            if labelling and not labels:
                rejected.add(Rejected(song["source"], UNLABELLED))
            elif not tokens:
                rejected.add(Rejected(song["source"], "no notes"))
            else:
                numbers = [number_of.setdefault(token, len(number_of)) for token in tokens]
                spool.add(np.array(numbers))
                songs.append(Song(song["source"], sys.intern(song["split"]), labels))
                if song["split"] == "train":
                    learned.update(numbers)
        known = learnable(songs, "the corpus") if labelling else set()

        def pieces() -> Iterator[Piece]:
            found = zip(songs, spool, strict=True)
            for song, numbers in progress(found, len(songs), "tokens: writing"):
                if unknown := unlearned(song, known):
                    rejected.add(unknown)
                else:
                    yield Piece(*song, partial(iter, [numbers]), len(numbers))

        config = {"kind": "chords", "octaves": octaves, "labelling": labelling}
        vocabulary = _vocabulary(number_of, learned, shifts, octaves)
        write_streams(out, pieces(), vocabulary, config)


def _vocabulary(
    number_of: dict[str, int], learned: set[int], shifts: list[int], octaves: bool
) -> Vocabulary:
    """Collect all tokens, and the tokens of training songs in every transposition."""
    known = list(number_of)
    semitones = [0, *(n for n in range(shifts[0], shifts[1] + 1) if n)]
    moved = {shifted(known[token], n, octaves) for token in learned for n in semitones}
    tokens = sorted(moved.union(known) - {""})
    class_of = {token: number for number, token in enumerate(tokens, 1)}
    table = [
        [BOUNDARY, *(class_of.get(shifted(token, n, octaves), -1) for token in tokens)]
        for n in semitones
    ]
    numbers = [number_of.setdefault(token, len(number_of)) for token in tokens]
    return Vocabulary(np.array(numbers), ["", *tokens], np.array(table, np.int32))


def _read(song: Stored, octaves: bool) -> list[str]:
    return tokens_of(song.score(), octaves)


def tokens_of(score: Score, octaves: bool) -> list[str]:
    """Turn a score into tokens.

    Parameters
    ----------
    score : Score
    octaves : bool
        Whether chords keep their octaves.

    Returns
    -------
    list of str
        One for each time at which notes are struck. Notes within `TOGETHER` of the note before
        belong to the same token, as in a chord played by hand.
    """
    notes = score.pitched
    first = np.concatenate([[True], np.diff(notes["onset"]) > TOGETHER])[: len(notes)]
    chords = np.split(notes["pitch"], np.flatnonzero(first)[1:]) if len(notes) else []
    return [_token(np.unique(chord).tolist(), octaves) for chord in chords]


def _token(pitches: list[int], octaves: bool) -> str:
    if octaves:
        return ".".join(map(str, pitches))
    if len(pitches) == 1:
        return f"{NAMES[pitches[0] % 12]}{pitches[0] // 12 - 1}"
    return ".".join(map(str, sorted({pitch % 12 for pitch in pitches})))


def pitches_of(token: str, octaves: bool) -> list[int]:
    """Read a token.

    Parameters
    ----------
    token : str
        As from `tokens_of`.
    octaves : bool
        Whether chords have octaves.

    Returns
    -------
    list of int
        MIDI pitches, the lowest first. Chords without octaves are placed in the octave that starts
        at middle C.

    Raises
    ------
    UserError
        When it is not a token.
    """
    note = None if octaves else _NOTE.fullmatch(token)
    if note:
        return [NAMES.index(note[1]) + 12 * (int(note[2]) + 1)]
    if not _NUMBERS.fullmatch(token):
        raise UserError(f"{token!r} is neither a note, such as F#4, nor a chord, such as 0.4.7")
    numbers = [int(number) for number in token.split(".")]
    return numbers if octaves else [CHORD_OCTAVE + number for number in numbers]


def shifted(token: str, semitones: int, octaves: bool) -> str:
    """Transpose a token; the result is empty if a pitch would be below 0 or above 127."""
    pitches = [pitch + semitones for pitch in pitches_of(token, octaves)]
    if octaves or _NOTE.fullmatch(token):
        return _token(pitches, octaves) if pitches[0] >= 0 and pitches[-1] <= 127 else ""
    return ".".join(map(str, sorted(pitch % 12 for pitch in pitches)))


def score_of(tokens: list[str], octaves: bool) -> Score:
    """Turn tokens into a score for piano: eighth notes at 120 quarter notes a minute.

    Parameters
    ----------
    tokens : list of str
    octaves : bool
        Whether chords have octaves.

    Returns
    -------
    Score
    """
    step = TICKS_PER_BEAT // 2
    rows = [
        (place * step, step, pitch, VELOCITY, 0)
        for place, token in enumerate(tokens)
        for pitch in pitches_of(token, octaves)
    ]
    return Score(
        np.array(rows, NOTE), [Part("Piano", 0)], [Metre(0, 4, 4)], [Tempo(0, 120.0)], "Tokens"
    )
